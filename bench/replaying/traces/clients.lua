-- SPDX-License-Identifier: MIT
-- For wrk: clients of a web server, of whom some are slow and some fall silent.
--
--     wrk OPTION... -s clients.lua URL -- THINK SILENT HEADER BODY
--
-- THINK    milliseconds before each request, the first too: a tenth to twice as many
-- SILENT   of 1,000 times, the request never comes
-- HEADER   of 1,000 requests are a header that does not end,
-- BODY     and so many a header whose body does not come
--
-- Whom the server closes connects again: wrk does that by itself.
local think, silent, header, body
local made = 0

function init(arguments)
    think, silent = tonumber(arguments[1]), tonumber(arguments[2])
    header, body = tonumber(arguments[3]), tonumber(arguments[4])
    math.randomseed(1)
end

function delay()
    if math.random(1000) <= silent then
        return 3600 * 1000
    end
    return math.random(think / 10, think * 2)
end

function request()
    local lot = math.random(1000)
    made = made + 1
    if made == 1 then
        return wrk.format("GET") -- wrk itself looks at the first, and wants it whole
    elseif lot <= header then
        return "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
    elseif lot <= header + body then
        return "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    end
    return wrk.format("GET")
end
