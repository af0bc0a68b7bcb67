/** How many silent peers of a swarm one run of the script forgets: about a fifth of a millisecond. */
const PRUNE_PEERS_MAX = 200;
/** How many members it looks at when few of them have an address of the wanted family. */
const VISITS_MAX = 800;
/** How much longer than its last peer a swarm's keys live; what counts is pruning, this is for the end. */
const KEY_MARGIN_MS = 60_000;

/**
 * What Redis does for an announce or a scrape, all in one go: forget who is silent, enter, count, choose.
 *
 * A swarm is five keys: leechers and seeds (hashes from peer id to record), when each was heard of (a sorted
 * set), how many completed (a number, there once somebody did), and when those stopped that did so within the
 * time that a peer may be silent (a sorted set). A record is one byte that says whether
 * the peer completed (1), has an IPv6 (2) and an IPv4 address (4), one that counts announces since the other
 * family was told of, 4 of key, 6 of IPv4 and 18 of IPv6 address with port (zeros where there is none), and
 * the name. `_redis_codec.ts` has the form of the announce and of the answers. Time is that of Redis, the one
 * clock that all trackers have, unless `ARGV[2]` gives one.
 *
 * An announce that was made a while ago, told late, does nothing where something later is known of its peer,
 * also that it stopped; only that it completed counts.
 *
 * Leechers and seeds are drawn in proportion to their numbers, so that each member has the same chance.
 */
export const SWARM_SCRIPT: string = `
local call, sub, byte, char, floor = redis.call, string.sub, string.byte, string.char, math.floor
local leechers, seeds, seen, completed, gone = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local ttl, now, a = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
if not now then
  local time = call('TIME')
  now = time[1] * 1000 + floor(time[2] / 1000)
end

local function forget(...)
  call('ZREM', seen, ...)
  call('HDEL', leechers, ...)
  call('HDEL', seeds, ...)
  if call('EXISTS', seen) == 0 then call('DEL', completed) end
end
local silent = call('ZRANGEBYSCORE', seen, '-inf', now - ttl, 'LIMIT', 0, ${PRUNE_PEERS_MAX})
if #silent > 0 then forget(unpack(silent)) end

local function counts()
  local done = tonumber(call('GET', completed) or 0)
  return call('HLEN', leechers), call('HLEN', seeds), done
end
if not a then
  local l, s, done = counts()
  return struct.pack('>I4I4I4', s, done, l)
end

local what, form, want, spread1, spread2, turn1, turn2 = byte(a, 1, 7)
local isSeed = bit.band(what, 1) ~= 0
local is6 = bit.band(what, 8) ~= 0
local key, ago, id = sub(a, 8, 11), struct.unpack('>I4', sub(a, 12, 15)), sub(a, 16, 35)
local size = is6 and 18 or 6
local address, name = sub(a, 36, 35 + size), sub(a, 36 + size)
-- Where a record has an address of the asker's family, and where that has its port.
local from, to = is6 and 13 or 7, is6 and 30 or 12
local own, other = leechers, seeds
if isSeed then own, other = seeds, leechers end

local record = call('HGET', own, id)
local isElsewhere = false
if not record then
  record = call('HGET', other, id)
  isElsewhere = record ~= false
end
if record then
  local known = sub(record, 3, 6)
  if known ~= '\\0\\0\\0\\0' and known ~= key and (sub(record, to - 1, to) == '\\0\\0'
    or sub(record, from, to - 2) ~= sub(address, 1, -3)) then return 'x' end
end
local function withoutPeers()
  local l, s, done = counts()
  return struct.pack('>I4I4I4', s, done, l) .. '\\0\\0\\0\\0'
end
local isDone = record and byte(record, 1) % 2 or 0
local completes = bit.band(what, 4) ~= 0 and isDone == 0
if ago > 0 then
  local last = call('ZSCORE', seen, id) or call('ZSCORE', gone, id)
  if last and tonumber(last) > now - ago then
    if record and completes then
      call('HSET', isElsewhere and other or own, id, char(byte(record, 1) + 1) .. sub(record, 2))
      call('INCR', completed)
      call('PEXPIRE', completed, ttl + ${KEY_MARGIN_MS})
    end
    return withoutPeers()
  end
end
if bit.band(what, 2) ~= 0 then
  if record then forget(id) end
  call('ZREMRANGEBYSCORE', gone, '-inf', now - ttl)
  call('ZADD', gone, now - ago, id)
  call('PEXPIRE', gone, ttl + ${KEY_MARGIN_MS})
  return withoutPeers()
end

local four, six = string.rep('\\0', 6), string.rep('\\0', 18)
local age, has4, has6 = is6 and 8 or 0, false, false
if record then
  if key == '\\0\\0\\0\\0' then key = sub(record, 3, 6) end
  four, six = sub(record, 7, 12), sub(record, 13, 30)
  has4, has6 = byte(record, 1) >= 4, byte(record, 1) % 4 >= 2
  if is6 and has4 or not is6 and has6 then
    local last = byte(record, 2)
    local since = bit.band(last, 8) == age and bit.band(last, 7) + 1 or 1
    if since <= 4 then age = age + since
    elseif is6 then four, has4 = string.rep('\\0', 6), false
    else six, has6 = string.rep('\\0', 18), false end
  end
end
if is6 then six, has6 = address, true else four, has4 = address, true end
if completes then
  isDone = 1
  call('INCR', completed)
end
local flags = isDone + (has6 and 2 or 0) + (has4 and 4 or 0)
call('HSET', own, id, char(flags, age) .. key .. four .. six .. name)
if isElsewhere then call('HDEL', other, id) end
call('ZADD', seen, now - ago, id)
call('PEXPIRE', own, ttl + ${KEY_MARGIN_MS})
call('PEXPIRE', seen, ttl + ${KEY_MARGIN_MS})
local l, s, done = counts()
if done > 0 then call('PEXPIRE', completed, ttl + ${KEY_MARGIN_MS}) end

-- Draws so many members, leechers first; where the seeds begin.
local candidates = isSeed and l or l + s
local function draw(count)
  local drawnLeechers = count
  if count == candidates then drawnLeechers = l
  elseif not isSeed then
    drawnLeechers = floor(count * l / candidates + (spread1 * 256 + spread2) / 65536)
    if drawnLeechers > l then drawnLeechers = l end
    if count - drawnLeechers > s then drawnLeechers = count - s end
  end
  local drawn = drawnLeechers > 0 and call('HRANDFIELD', leechers, drawnLeechers, 'WITHVALUES') or {}
  local split = #drawn
  if count > drawnLeechers then
    local more = call('HRANDFIELD', seeds, count - drawnLeechers, 'WITHVALUES')
    for i = 1, #more do drawn[split + i] = more[i] end
  end
  return drawn, split
end

-- What is given: addresses of leechers and seeds by family, or entries of a list.
local given, parts4, parts6, list
local function choose(drawn, split)
  given, parts4, parts6, list = 0, {{}, {}}, {{}, {}}, {}
  local count = #drawn / 2
  local at = floor((turn1 * 256 + turn2) / 65536 * count) * 2
  for _ = 1, count do
    if given == want then return end
    local r, kind = drawn[at + 2], at < split and 1 or 2
    local r4 = sub(r, 7, 12)
    -- Not the asker, nor what it was before it started again.
    if (is6 and sub(r, 13, 30) or r4) ~= address or sub(r, 31) ~= name then
      local isGiven = form == 3
      if isGiven then
        local peer, named = drawn[at + 1], sub(r, 31)
        list[#list + 1] = char(kind - 1) .. peer .. sub(r, 7, 30) .. char(#named) .. named
      end
      local has = byte(r, 1)
      if form < 2 and has >= 4 then
        local part = parts4[kind]
        part[#part + 1] = r4
        isGiven = true
      end
      if (form == 0 or form == 2) and has % 4 >= 2 then
        local part = parts6[kind]
        part[#part + 1] = sub(r, 13, 30)
        isGiven = true
      end
      if isGiven then given = given + 1 end
    end
    at = at + 2
    if at == #drawn then at = 0 end
  end
end
local count = want > 0 and math.min(candidates, want + 2) or 0
choose(draw(count))
if given < want and count > 0 and count < candidates then
  choose(draw(math.min(candidates, ${VISITS_MAX})))
end

local head = struct.pack('>I4I4I4', s, done, l)
if form == 3 then return head .. char(#list) .. table.concat(list) end
return head .. char(#parts4[1], #parts4[2], #parts6[1], #parts6[2])
  .. table.concat(parts4[1]) .. table.concat(parts4[2])
  .. table.concat(parts6[1]) .. table.concat(parts6[2])
`;
