%% SPDX-License-Identifier: MIT
%% Erlang's timers: main([Workload, Count]) prints the operations and their processor ns.
-module(timers).
-export([main/1]).

-define(MINUTE, 60000).

%% Nothing fires: deadlines are more than a minute away.
delay() -> ?MINUTE + rand:uniform(?MINUTE).

start(Delay) -> erlang:start_timer(Delay, self(), nothing).

%% Each timer once, in random order: cancelled and started again, as there is no move.
again(Refs, Delay) ->
    [begin erlang:cancel_timer(Ref), start(Delay()) end || Ref <- Refs].

rounds(0, Refs, _) -> Refs;
rounds(N, Refs, Delay) -> rounds(N - 1, again(Refs, Delay), Delay).

cpu_ms() -> element(1, statistics(runtime)).

main([Workload, CountText]) ->
    Count = list_to_integer(CountText),
    Began = cpu_ms(),
    Refs = [start(delay()) || _ <- lists:seq(1, Count)],
    {Operations, Since} =
        case Workload of
            "fill" -> {Count, Began};
            _ ->
                Shuffled = [R || {_, R} <- lists:sort([{rand:uniform(), R} || R <- Refs])],
                Order = case Workload of "request" -> Refs; _ -> Shuffled end,
                Delay = case Workload of
                            "churn" -> fun delay/0;
                            _ -> fun() -> 2 * ?MINUTE end
                        end,
                Rounds = max(1, 200000 div Count),
                Start = cpu_ms(),
                rounds(Rounds, Order, Delay),
                {Rounds * Count, Start}
        end,
    io:format("~b ~b~n", [Operations, (cpu_ms() - Since) * 1000000]),
    halt(0).
