/** What `GET /` shows where there is no dashboard. Any 200 tells a Go node that this one lives. */
export const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Skerry</title>
<style>
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 3rem auto; padding: 0 1rem }
  code { background: #8882; padding: .1em .3em; border-radius: .2em }
</style>
<h1>Skerry</h1>
<p>This node keeps JSON state and serves it by path:</p>
<ul>
  <li><code>GET /users/42</code> reads an entry, <code>GET /users/*</code> a list;</li>
  <li><code>POST</code> writes JSON to a path, or pushes it to a glob; <code>DELETE</code> deletes;</li>
  <li>a WebSocket on the same address tells of every change.</li>
</ul>
<p><a href="/_skerry/status">Status</a> · <a href="/readyz">readiness</a></p>
</html>
`
