-- Adds one batch of one partition to its totals, or changes nothing at all.
--
-- KEYS 1 totals   string of big-endian i64: 16 words of ledger, then the total of each account slot. The words:
--                 0 next offset  1 next seq  2 count  3 sum  4 digest  5 at_us  6 ts_us  7 member
--                 8 log duplicates  9 holes  10 malformed  11-15 unused
-- ARGV 1 mode     cas: apply only where word 0 is `expected`; add: apply always (at-least-once)
--      2 expected word 0 as the writer believes it to be: its 8 bytes
--      3... BITFIELD operations, verbatim: SET|INCRBY i64 #<word> <number>; at most 1,994
-- Result {applied 0|1, the ledger as it was before: 128 bytes or none, Redis's time in us as text}
--
-- Ledger and totals are one key, and the only write is one command. That is more than atomic execution, which any
-- script has: a script of two writes goes to the append-only file as MULTI ... EXEC, and Redis (7.0 at least) that
-- finds such a file cut inside a command there drops the transaction from memory but leaves its first commands in the
-- file. The next transaction then lands behind them, and the restart after that executes both: counted twice. One
-- command is in the file or is not. It also checks all of its operations before it does the first.

if #KEYS ~= 1 then return redis.error_reply('EOSLABARGS apply takes 1 key') end
if #ARGV < 6 or #ARGV > 7978 or (#ARGV - 2) % 4 ~= 0 then
  return redis.error_reply('EOSLABARGS apply takes 2 arguments and then fours')
end
local mode, expected = ARGV[1], ARGV[2]
if mode ~= 'cas' and mode ~= 'add' then return redis.error_reply('EOSLABARGS mode is neither cas nor add') end
if #expected ~= 8 then return redis.error_reply('EOSLABARGS expected has not 8 bytes') end

local ledger = redis.call('GETRANGE', KEYS[1], 0, 127)
if #ledger ~= 0 and #ledger ~= 128 then return redis.error_reply('EOSLABTYPE the key holds no ledger') end
local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2]))


redis.call('BITFIELD', KEYS[1], 'SET', 'i64', '#5', now, unpack(ARGV, 3))
return {1, ledger, now}
