/**
 * The steps of a store on Redis that must be atomic, as scripts. None loops over the whole store: only over what
 * it is given, a page, or the checkpoints.
 */

/** The keys every script gets, in this order. */
export const SCRIPT_KEYS = ['head', 'entries', 'index', 'data', 'feed', 'released'] as const

/** The most released paths that are remembered for servers which missed their messages. */
const RELEASED_KEPT = 10_000

/**
 * Stamps are int64 nanoseconds: too long for Lua's numbers, so they travel as 19 digits and are split in two
 * numbers, seconds and nanoseconds, which are exact.
 */
export const STAMPS = `
local function split(stamp)
  return tonumber(string.sub(stamp, 1, 10)), tonumber(string.sub(stamp, 11, 19))
end
local function later(a, b)
  local aHigh, aLow = split(a)
  local bHigh, bLow = split(b)
  if aHigh ~= bHigh then return aHigh > bHigh end
  return aLow > bLow
end
local function plus(stamp, count)
  local high, low = split(stamp)
  local sum = low + count
  local carry = math.floor(sum / 1000000000)
  return string.format('%010.0f%09.0f', high + carry, sum - carry * 1000000000)
end
`

const PRELUDE = `
local head, entries, index, data, feed, released = unpack(KEYS)
local function field(name) return redis.call('HGET', head, name) or '' end
local function number(name) return tonumber(redis.call('HGET', head, name) or '0') end
local function whole(value) return string.format('%.0f', value) end
local function replid()
  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
end
`

/** The head as scripts tell it; `parseHead` reads it. */
const HEAD = `
local function tellHead()
  local told = redis.call('HMGET', head, 'format', 'nodeId', 'epoch', 'runs', 'seq', 'released',
    'mark', 'rewinds', 'holder', 'term', 'beat')
  told[12] = field('replid') == replid() and 'same' or 'other'
  told[13] = field('formerly')
  told[14] = whole(number('acknowledgedTo'))
  told[15] = whole(number('remains'))
  return told
end
`

/** Runs are kept as `id:firstSeq`, the newest one last; of them 50. So are epochs, with what was left as each began. */
const RUNS = `
local function addRun(runs, id, firstSeq)
  local all = {}
  for run in string.gmatch(runs, '%S+') do all[#all + 1] = run end
  all[#all + 1] = id .. ':' .. whole(firstSeq)
  return table.concat(all, ' ', math.max(1, #all - 49))
end
`

const COMMIT = `
local epoch, seen, term, me = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local remains = tonumber(ARGV[5])
local first, stamps, mark = ARGV[6], tonumber(ARGV[7]), ARGV[8]
local channel, number_, payload, seqs = ARGV[9], ARGV[10], ARGV[11], tonumber(ARGV[12])
local checks, musts, records, ops =
  tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16])
if field('epoch') ~= epoch then return { 'epoch' } end
local seq = number('seq')
if seq < seen or field('replid') ~= replid() then return { 'rewound' } end
if term ~= '' and (field('term') ~= term or field('holder') ~= me) then return { 'fenced' } end
if number('remains') ~= remains then return { 'remains' } end

local at = 17
local conflicts = { 'conflict' }
for i = 1, checks do
  local path, expected = ARGV[at], ARGV[at + 1]
  local score = redis.call('ZSCORE', feed, path)
  local found = score and whole(tonumber(score)) or ''
  if found ~= expected and #conflicts < 2000 then
    conflicts[#conflicts + 1] = path
    conflicts[#conflicts + 1] = redis.call('HGET', entries, path)
  end
  at = at + 2
end
for i = 1, musts do
  if not redis.call('ZSCORE', index, ARGV[at]) and #conflicts < 2000 then
    conflicts[#conflicts + 1] = ARGV[at + 1]
    conflicts[#conflicts + 1] = redis.call('HGET', entries, ARGV[at + 1])
  end
  at = at + 2
end
if #conflicts > 1 then return conflicts end

local held = field('mark')
if first ~= '' and not later(first, held) then
  redis.call('HSET', head, 'mark', plus(held, stamps))
  return { 'stamps', plus(held, 1) }
end
if later(mark, held) then redis.call('HSET', head, 'mark', mark) end

local releasedBefore = number('released')
local releases = releasedBefore
for i = 1, records do
  local path, place, value = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if place == '-' then
    redis.call('HDEL', entries, path)
    redis.call('ZREM', feed, path)
    releases = releases + 1
    redis.call('ZADD', released, releases, path)
  elseif string.sub(place, 1, 1) == '+' then
    local own = whole(seq + tonumber(string.sub(place, 2)))
    redis.call('HSET', entries, path, own .. ' ' .. value)
    redis.call('ZADD', feed, own, path)
  else
    releases = releases + 1
    redis.call('HSET', entries, path, place .. ' ' .. value)
    redis.call('ZADD', released, releases, path)
  end
  at = at + 3
end
local remainsChange = false
for i = 1, ops do
  local key, kind, value = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if string.sub(kind, 1, 1) == 't' then
    key = 't' .. string.format('%014x', seq + tonumber(string.sub(kind, 2))) .. key
    kind = '+'
  end
  local letter = string.sub(key, 1, 1)
  if letter == 'w' or letter == 'z' then remainsChange = true end
  if kind == '+' then
    redis.call('ZADD', index, 0, key)
    if value ~= '' then redis.call('HSET', data, key, value) end
  else
    redis.call('ZREM', index, key)
    redis.call('HDEL', data, key)
  end
  at = at + 3
end
if remainsChange then redis.call('HINCRBY', head, 'remains', 1) end
if releases ~= releasedBefore then
  redis.call('HSET', head, 'released', whole(releases))
  redis.call('ZREMRANGEBYSCORE', released, '-inf', releases - ${RELEASED_KEPT})
end
if seqs > 0 then redis.call('HSET', head, 'seq', whole(seq + seqs)) end
local reached = { whole(seq), whole(releasedBefore), whole(seq + seqs), whole(releases) }
if seqs > 0 or releases ~= releasedBefore then
  redis.call('PUBLISH', channel,
    'commit ' .. table.concat(reached, ' ') .. ' ' .. me .. ' ' .. number_ .. ' ' .. epoch ..
    '\\n' .. payload)
end
return { 'done', unpack(reached) }
`

const verbs = {
  /** format, node id, epoch, sequence → makes the store if there is none; the head */
  skerryFound: `
if redis.call('EXISTS', head) == 0 then
  redis.call('HSET', head, 'format', ARGV[1], 'nodeId', ARGV[2], 'epoch', ARGV[3], 'runs', '',
    'seq', ARGV[4], 'released', '0', 'mark', string.rep('0', 19), 'rewinds', addRun('', ARGV[3], 0),
    'holder', '', 'term', '0', 'beat', '0', 'replid', replid())
end
return tellHead()
`,

  /** → the head */
  skerryHead: `
return tellHead()
`,

  /** `committer.ts` composes what it is given → what came of it */
  skerryCommit: COMMIT,

  /**
   * old epoch, new epoch, new run, the highest sequence known, term or '', server, channel, mark or '',
   * epochs that ended without loss, up to where all counts as acknowledged ('': all there is) → 1 if done:
   * a new history begins, with no checkpoint of any peer but how far each was seen. Its numbers go on above all that was seen.
   */
  skerryRenew: `
local known, epoch, run, seen, term, me, channel, mark, formerly, acknowledged = unpack(ARGV)
if field('epoch') ~= known then return 0 end
if term ~= '' and (field('term') ~= term or field('holder') ~= me) then return 0 end
local seq = number('seq')
local from = math.max(seq, tonumber(seen))
local keys = redis.call('ZRANGEBYLEX', index, '[c', '(d')
for _, key in ipairs(keys) do
  if string.sub(key, -1) ~= ' ' then
    redis.call('ZREM', index, key)
    redis.call('HDEL', data, key)
  end
end
redis.call('HSET', head, 'epoch', epoch, 'runs', addRun('', run, from + 1), 'seq', whole(from),
  'rewinds', addRun(field('rewinds'), epoch, seq), 'replid', replid(), 'formerly', formerly,
  'acknowledgedTo', acknowledged == '' and whole(seq) or acknowledged)
if mark ~= '' then redis.call('HSET', head, 'mark', mark) end
redis.call('PUBLISH', channel, 'epoch\\n')
return 1
`,

  /** server, the lease it saw: holder, term, beat; run, channel → its term, or 0 */
  skerryCampaign: `
local me, holder, term, beat, run = unpack(ARGV)
if field('holder') ~= holder or field('term') ~= term or field('beat') ~= beat then return '0' end
local won = whole(tonumber(term) + 1)
redis.call('HSET', head, 'holder', me, 'term', won, 'beat', '0',
  'runs', addRun(field('runs'), run, number('seq') + 1))
return won
`,

  /** server, term → the head; raises the beat if the server holds the lease */
  skerryBeat: `
if field('holder') == ARGV[1] and field('term') == ARGV[2] then
  redis.call('HINCRBY', head, 'beat', 1)
end
return tellHead()
`,

  /** server, term, channel */
  skerryResign: `
if field('holder') == ARGV[1] and field('term') == ARGV[2] then
  redis.call('HSET', head, 'holder', '')
  redis.call('PUBLISH', ARGV[3], 'lease\\n')
end
return 1
`,

  /**
   * from, to (left out), the most keys, the most bytes, where paths begin in keys of records and of hashes
   * → sequence, releases, 1 if there is no more, epoch; then pairs of key and value,
   * which is the record where the key names a path
   */
  skerryPage: `
local most, bytes = tonumber(ARGV[3]), tonumber(ARGV[4])
local pathAt, hashedAt = tonumber(ARGV[5]), tonumber(ARGV[6])
local keys = redis.call('ZRANGEBYLEX', index, '[' .. ARGV[1], '(' .. ARGV[2], 'LIMIT', 0, most)
local page, size = { field('seq'), field('released'), '1', field('epoch') }, 0
for _, key in ipairs(keys) do
  if size > bytes then
    page[3] = '0'
    return page
  end
  local value
  local kind = string.sub(key, 1, 1)
  if kind == 'e' then
    value = redis.call('HGET', entries, string.sub(key, pathAt))
  elseif kind == 'h' then
    value = redis.call('HGET', entries, string.sub(key, hashedAt))
  else
    value = redis.call('HGET', data, key)
  end
  page[#page + 1] = key
  page[#page + 1] = value or ''
  size = size + #key + #(value or '')
end
if #keys == most then page[3] = '0' end
return page
`,

  /** from (left out), to, the most changes, the most bytes → as skerryPage, with pairs of path and record */
  skerryChanges: `
local most, bytes = tonumber(ARGV[3]), tonumber(ARGV[4])
local paths = redis.call('ZRANGEBYSCORE', feed, '(' .. ARGV[1], ARGV[2], 'LIMIT', 0, most)
local page, size = { field('seq'), field('released'), '1', field('epoch') }, 0
for _, path in ipairs(paths) do
  if size > bytes then
    page[3] = '0'
    return page
  end
  local value = redis.call('HGET', entries, path)
  page[#page + 1] = path
  page[#page + 1] = value
  size = size + #value
end
if #paths == most then page[3] = '0' end
return page
`,
} as const

export type ScriptName = keyof typeof verbs

/** Every script by name, complete. */
export const scripts: ReadonlyMap<ScriptName, string> = new Map(
  Object.entries(verbs).map(([name, body]) => [
    name as ScriptName,
    PRELUDE + HEAD + RUNS + STAMPS + body,
  ]),
)
