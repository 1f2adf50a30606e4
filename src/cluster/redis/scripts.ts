/**
 * The verbs of the registry that must be one step, as scripts. They do what `Ledger` does in memory;
 * one suite of tests runs over both. None loops over members or keys of the whole cluster.
 */

/** The keys every script gets, in this order. */
export const SCRIPT_KEYS = ['head', 'members', 'table', 'log', 'sessions', 'rights'] as const

/**
 * Before anything else: is this still the server that wrote `run`? If it restarted or a replica took
 * its place, its latest writes may be lost, so sessions and rights start anew.
 */
const PRELUDE = `
local head, members, table_, log, sessions, rights = unpack(KEYS)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
do
  local known = redis.call('HMGET', head, 'run', 'version')
  if known[1] ~= run then
    redis.call('DEL', sessions, rights)
    local fresh = (known[2] and known[2] ~= '0') and '0' or '1'
    redis.call('HSET', head, 'run', run, 'recovering', '1', 'fresh', fresh)
  end
end
local function field(name) return redis.call('HGET', head, name) or '' end
local function number(name) return tonumber(redis.call('HGET', head, name) or '0') end
local function whole(value) return string.format('%.0f', value) end
local recovering = field('recovering') == '1'
local function writeRows(first)
  for at = first, #ARGV, 1000 do
    redis.call('HSET', members, unpack(ARGV, at, math.min(at + 999, #ARGV)))
  end
end
`

const verbs = {
  /** → run, version, recovering, monitor, term, beat */
  skerryHead: `
return { run, field('version'), field('recovering'), field('monitor'), field('term'), field('beat') }
`,

  /** slots → the number of slots agreed on */
  skerryOpen: `
redis.call('HSETNX', head, 'slots', ARGV[1])
return field('slots')
`,

  /** base, term or '', table or '', log record, count of left, left…, then pairs of id and row */
  skerryCommit: `
if recovering and field('fresh') ~= '1' then return 'recovering' end
if ARGV[2] ~= '' and number('term') ~= tonumber(ARGV[2]) then return 'deposed' end
if number('version') ~= tonumber(ARGV[1]) then return 'stale' end
local version = whole(number('version') + 1)
redis.call('HSET', head, 'version', version)
if ARGV[3] ~= '' then
  redis.call('SET', table_, ARGV[3])
  redis.call('HSET', head, 'tableVersion', version)
end
local left = tonumber(ARGV[5])
for at = 6, 5 + left do redis.call('HDEL', members, ARGV[at]) end
writeRows(6 + left)
redis.call('XADD', log, 'MAXLEN', '~', '1000', version .. '-1', 'change', ARGV[4])
return 'done'
`,

  /** run, version, slots, table, then pairs of id and row */
  skerryRestore: `
if not recovering or ARGV[1] ~= run or tonumber(ARGV[2]) <= number('version') then return 0 end
if field('fresh') == '1' and number('version') > 0 then return 0 end
redis.call('DEL', members, log)
redis.call('SET', table_, ARGV[4])
redis.call('HSET', head, 'version', ARGV[2], 'tableVersion', ARGV[2], 'slots', ARGV[3], 'fresh', '0')
writeRows(5)
return 1
`,

  /** monitor, and the leadership it saw: monitor, term, beat → the new term, or 0 */
  skerryCampaign: `
local same = field('monitor') == ARGV[2] and number('term') == tonumber(ARGV[3])
if not same or number('beat') ~= tonumber(ARGV[4]) then return 0 end
local term = number('term') + 1
redis.call('HSET', head, 'monitor', ARGV[1], 'term', whole(term), 'beat', '0')
return term
`,

  /** term → 1 if it still leads */
  skerryLead: `
if number('term') ~= tonumber(ARGV[1]) or field('monitor') == '' then return 0 end
redis.call('HINCRBY', head, 'beat', 1)
return 1
`,

  /** term */
  skerryResign: `
if number('term') == tonumber(ARGV[1]) then redis.call('HSET', head, 'monitor', '') end
return 1
`,

  /** term, run */
  skerryEndRecovery: `
if number('term') ~= tonumber(ARGV[1]) or run ~= ARGV[2] then return 0 end
redis.call('HSET', head, 'recovering', '', 'fresh', '')
return 1
`,

  /** session, worker */
  skerryOpenSession: `
redis.call('HSET', sessions, ARGV[1], '0 ' .. ARGV[2])
return 1
`,

  /** session */
  skerryBeatSession: `
local held = redis.call('HGET', sessions, ARGV[1])
if not held then return recovering and 'recovering' or 'unknown' end
local beat, worker = string.match(held, '^(%d+) (.*)$')
redis.call('HSET', sessions, ARGV[1], whole(tonumber(beat) + 1) .. ' ' .. worker)
return 'held'
`,

  /** term, session, beat → 1 if it ended */
  skerryFence: `
if number('term') ~= tonumber(ARGV[1]) then return 0 end
local held = redis.call('HGET', sessions, ARGV[2])
if not held or string.match(held, '^%d+') ~= ARGV[3] then return 0 end
return redis.call('HDEL', sessions, ARGV[2])
`,

  /** session, version, slots… → pairs of slot and epoch, or why not */
  skerryClaim: `
if redis.call('HEXISTS', sessions, ARGV[1]) == 0 then return 'unknown' end
if recovering then return 'recovering' end
if tonumber(ARGV[2]) < number('tableVersion') then return 'stale' end
local time = redis.call('TIME')
local epoch = math.max(number('epoch'), time[1] * 1000 + math.floor(time[2] / 1000) - 1)
local granted, writes, lives = {}, {}, { [ARGV[1]] = 0 }
for at = 3, #ARGV do
  local right = redis.call('HGET', rights, ARGV[at])
  local holder = right and string.match(right, '^%S+')
  if holder and lives[holder] == nil then
    lives[holder] = redis.call('HEXISTS', sessions, holder)
  end
  if not holder or lives[holder] == 0 then
    epoch = epoch + 1
    granted[#granted + 1] = ARGV[at]
    granted[#granted + 1] = whole(epoch)
    writes[#writes + 1] = ARGV[at]
    writes[#writes + 1] = ARGV[1] .. ' ' .. whole(epoch)
  end
end
if #writes > 0 then
  redis.call('HSET', rights, unpack(writes))
  redis.call('HSET', head, 'epoch', whole(epoch))
end
return granted
`,

  /** session, version, slots… → 1 if the table is still the same */
  skerryRelease: `
if tonumber(ARGV[2]) < number('tableVersion') then return 0 end
for at = 3, #ARGV do
  local right = redis.call('HGET', rights, ARGV[at])
  if right and string.match(right, '^%S+') == ARGV[1] then
    redis.call('HDEL', rights, ARGV[at])
  end
end
return 1
`,

  /** session, worker, pairs of slot and epoch → the slots still held, or why not */
  skerryReassert: `
if not recovering then return 'closed' end
redis.call('HSETNX', sessions, ARGV[1], '0 ' .. ARGV[2])
local kept, highest = {}, number('epoch')
for at = 3, #ARGV, 2 do
  local epoch = tonumber(ARGV[at + 1])
  highest = math.max(highest, epoch)
  local right = redis.call('HGET', rights, ARGV[at])
  local holder, known = string.match(right or '', '^(%S+) (%d+)$')
  if not holder or holder == ARGV[1] or tonumber(known) <= epoch then
    redis.call('HSET', rights, ARGV[at], ARGV[1] .. ' ' .. ARGV[at + 1])
    kept[#kept + 1] = ARGV[at]
  end
end
redis.call('HSET', head, 'epoch', whole(highest))
return kept
`,
} as const

export type ScriptName = keyof typeof verbs

/** Every script by name, complete. */
export const scripts: ReadonlyMap<ScriptName, string> = new Map(
  Object.entries(verbs).map(([name, body]) => [name as ScriptName, PRELUDE + body]),
)
