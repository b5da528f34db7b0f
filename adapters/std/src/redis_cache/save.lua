-- Compare and set, all or nothing. KEYS[1]: prefix. ARGV: now, (feed, bucket, name, version it has to have, seconds, value)...;
-- an empty value says that the entry was removed. Answers the new version, or 0 when somebody else was quicker.
local p, now = KEYS[1], tonumber(ARGV[1])
for n = 2, #ARGV, 6 do
  -- Where nothing is, not even the mark of a removal, nothing can be lost, whatever was known of it.
  if redis.call('EXISTS', p .. ':e:' .. ARGV[n + 1] .. ':' .. ARGV[n + 2]) == 1 then
    local there = redis.call('ZSCORE', p .. ':i:' .. ARGV[n + 1], ARGV[n + 2])
    if tonumber(there or '0') ~= tonumber(ARGV[n + 3]) then return 0 end
  end
end
local version = redis.call('INCR', p .. ':v')
for n = 2, #ARGV, 6 do
  local feed, bucket, name, seconds = ARGV[n], ARGV[n + 1], ARGV[n + 2], tonumber(ARGV[n + 4])
  redis.call('SET', p .. ':e:' .. bucket .. ':' .. name, ARGV[n + 5], 'EX', seconds)
  redis.call('ZADD', p .. ':i:' .. bucket, version, name)
  redis.call('ZADD', p .. ':c:' .. feed, version, bucket)
  redis.call('ZADD', p .. ':x', now + seconds, feed .. ' ' .. bucket .. ' ' .. name)
end
-- What has ended goes from the lists, a few at a time.
for _, ended in ipairs(redis.call('ZRANGEBYSCORE', p .. ':x', '-inf', now, 'LIMIT', 0, 64)) do
  local feed, bucket, name = string.match(ended, '^(%S+) (%S+) (%S+)$')
  if redis.call('EXISTS', p .. ':e:' .. bucket .. ':' .. name) == 0 then
    redis.call('ZREM', p .. ':i:' .. bucket, name)
    if redis.call('ZCARD', p .. ':i:' .. bucket) == 0 then redis.call('ZREM', p .. ':c:' .. feed, bucket) end
  end
  redis.call('ZREM', p .. ':x', ended)
end
return version
