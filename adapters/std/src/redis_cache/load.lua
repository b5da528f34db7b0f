-- What changed since these versions. KEYS[1]: prefix. ARGV: pages of feeds, count of feeds, (feed, from where on, since)..., (bucket, since)...
-- Answers {version, {reached by each feed}, {feed, bucket, name, version, value or nil, name, ...}, ...}.
local p, page, feeds = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local version = tonumber(redis.call('GET', p .. ':v') or '0')
local out = {version, {}}
local function add(feed, bucket, since)
  local listed = redis.call('ZRANGEBYSCORE', p .. ':i:' .. bucket, '(' .. since, '+inf', 'WITHSCORES')
  local item = {feed, bucket}
  for n = 1, #listed, 2 do
    item[#item + 1] = listed[n]
    item[#item + 1] = tonumber(listed[n + 1])
    item[#item + 1] = redis.call('GET', p .. ':e:' .. bucket .. ':' .. listed[n])
  end
  out[#out + 1] = item
end
for n = 3, 2 + 3 * feeds, 3 do
  local listed = redis.call('ZRANGEBYSCORE', p .. ':c:' .. ARGV[n], '(' .. ARGV[n + 1], '+inf', 'WITHSCORES', 'LIMIT', 0, page)
  local reached = version
  for at = 1, #listed, 2 do add(ARGV[n], listed[at], ARGV[n + 2]) end
  -- Others may have the last one's version too: they are on the next page.
  if #listed >= 2 * page then reached = tonumber(listed[#listed]) - 1 end
  out[2][#out[2] + 1] = reached
end
for n = 3 + 3 * feeds, #ARGV, 2 do add('', ARGV[n], ARGV[n + 1]) end
return out
