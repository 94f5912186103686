-- The requests of a file, one a line: method, path, body (tab-separated). Counted up for Idempotency-Key, which is new each time.
local requests, at, once, run = {}, 0, os.getenv("ONCE") == "1", os.getenv("RUN")
local headers, tokens = { ["Content-Type"] = "application/json" }, {}

function init()
  for token in os.getenv("TOKENS"):gmatch("%S+") do tokens[#tokens + 1] = token end
  for line in io.lines(os.getenv("REQUESTS")) do
    local method, path, body = line:match("^(%S+)\t(%S+)\t(.*)$")
    requests[#requests + 1] = { method, path, body ~= "" and body or nil }
  end
end

function request()
  at = at + 1
  if once and at >= #requests then wrk.thread:stop() end
  local method, path, body = unpack(requests[(at - 1) % #requests + 1])
  headers["Authorization"] = "Bearer " .. tokens[at % #tokens + 1]
  if method == "POST" then headers["Idempotency-Key"] = run .. "-" .. at end
  return wrk.format(method, path, headers, body)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nFIGURES {"requests": %d, "seconds": %f, "refused": %d, "broken": %d, "p50": %f, "p99": %f}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
