/* model.py in JavaScript, for the report's page: the same names, the same numbers. */
"use strict";
const planner = (function () {
    const TICK_S = 2 ** 20 / 1e9;
    const LEVEL_SLOT_S = [TICK_S, TICK_S * 2 ** 8, TICK_S * 2 ** 16];
    const LEVEL_REACH_S = LEVEL_SLOT_S.map((slot) => 511 * slot);
    const CHUNK_CELLS = 31, EMBEDDED_TIMER_BYTES = 40, CELL_BYTES = 256 / CHUNK_CELLS;
    const HANDLE_BYTES = 8, NODE_BYTES = 64, NODES_FIRST = 64, NODES_LARGEST = 32768;
    const HEAP_PAGE_ENTRIES = 256, HEAP_ENTRY_BYTES = 16, CONNECTIONS_MAX = 1e8;

    function scaled(plan, connections) {
        const factor = connections / plan.connections;
        return {...plan, connections, requests: plan.requests * factor,
                refreshes: plan.refreshes * factor};
    }

    function underWay(plan) {
        const unanswered = (1 - plan.cancelled_share) * plan.request_timeout;
        return plan.requests * (plan.cancelled_share * plan.response_time + unanswered);
    }

    /* Why the plan cannot be, or "". */
    function problem(plan) {
        if (plan.response_time >= plan.request_timeout)
            return "The response time must be less than the request timeout.";
        const busy = underWay(plan);
        if (busy > 0.9 * plan.connections)
            return `${Math.round(busy)} requests are under way at once: too many for the ` +
                   "connections, of which each carries one.";
        return "";
    }

    function interpolate(sizes, values, size) {
        if (size <= sizes[0])
            return values[0];
        let i = 1;
        while (i < sizes.length - 1 && size > sizes[i])
            i++;
        const share = Math.log(size / sizes[i - 1]) / Math.log(sizes[i] / sizes[i - 1]);
        return values[i - 1] + (values[i] - values[i - 1]) * share;
    }

    function levelOf(timeout) {
        return timeout < LEVEL_REACH_S[0] ? 0 : timeout < LEVEL_REACH_S[1] ? 1 : 2;
    }

    function leadOf(timeout) {
        const level = levelOf(timeout);
        return level > 0 ? LEVEL_SLOT_S[level] : 0;
    }

    /* Visits that find a later deadline, and fires, of one connection per second. */
    function idleRates(refreshes, timeout) {
        if (refreshes * timeout < 1e-9)
            return [0, 1 / timeout];
        const fires = refreshes * timeout > 500 ? 0 : refreshes / Math.expm1(refreshes * timeout);
        const lead = leadOf(timeout);
        let age = 0, ahead = timeout, quiet = 1;
        for (let i = 0; i < 40; i++) {
            ahead = Math.max(timeout - age - lead, timeout / 4);
            quiet = Math.exp(-refreshes * ahead);
            if (quiet < 1)
                age = (1 - quiet) * (1 / refreshes - ahead * quiet / (1 - quiet));
        }
        return [(1 - quiet) / ahead, fires];
    }

    function rates(plan, kind) {
        const [visits, idleFires] = idleRates(plan.refreshes / plan.connections, plan.idle_timeout);
        const answered = plan.requests * plan.cancelled_share;
        const timedOut = plan.requests - answered;
        const stays = plan.request_timeout - leadOf(plan.request_timeout);
        const active = underWay(plan);
        let fresh = plan.requests, requestCells = active;
        if (kind === "park") {
            fresh = plan.requests / (1 + plan.requests / plan.connections * stays);
            requestCells = Math.max(active, Math.min(plan.connections, fresh * stays));
        }
        if (kind === "handles")
            fresh = Math.min(plan.requests, answered * plan.response_time / stays + timedOut);
        let far = levelOf(plan.idle_timeout) === 2 ? idleFires * plan.connections : 0;
        far += levelOf(plan.request_timeout) === 2 ? timedOut : 0;
        return {
            visits: visits * plan.connections + far,
            drops: kind === "stop" ? 0 : Math.max(0, fresh - timedOut),
            idleFires: idleFires * plan.connections, requestFires: timedOut, answered, fresh,
            reused: plan.requests - fresh, requestCells,
            met: Math.min(plan.connections,
                          (plan.refreshes + 2 * plan.requests) * plan.response_time),
        };
    }

    function most(mean) {
        return mean + 6 * Math.sqrt(mean) + 6;
    }

    function callBytes(calls) {
        const small = NODES_LARGEST - NODES_FIRST;
        let nodes = 0;
        if (calls > small)
            nodes = small + Math.ceil((calls - small) / NODES_LARGEST) * NODES_LARGEST;
        else
            for (let slab = NODES_FIRST; nodes < calls; slab *= 2)
                nodes += slab;
        const pages = Math.ceil(calls / HEAP_PAGE_ENTRIES);
        return NODE_BYTES * nodes + HEAP_ENTRY_BYTES * HEAP_PAGE_ENTRIES * pages;
    }

    function memory(plan, kind, calibration) {
        const wanted = plan.connections + most(rates(plan, kind).requestCells);
        const cells = Math.min(wanted, 2 * plan.connections);
        let loop = calibration.base_bytes + CELL_BYTES * cells;
        let caller = 2 * EMBEDDED_TIMER_BYTES * plan.connections;
        if (kind === "handles") {
            loop += callBytes(cells);
            caller = 2 * HANDLE_BYTES * plan.connections;
        }
        return {cells, loop_bytes: loop, caller_bytes: caller, bytes: loop + caller};
    }

    function fireNs(tables, sizes, size, due) {
        const together = interpolate(sizes, tables.fire, size);
        const alone = interpolate(sizes, tables.fire_alone, size);
        return together + Math.max(0, alone - together) / Math.max(1, due);
    }

    function cost(plan, kind, calibration) {
        const sizes = calibration.sizes, tables = calibration.costs[kind];
        const rate = rates(plan, kind), size = plan.connections, again = calibration.again;
        const missed = interpolate(again.distances, again.shares, rate.met);
        const of = (values) => interpolate(sizes, values, size);
        const soonAfter = (values) =>
            values[0] + Math.min(1, missed) * (of(values) - values[0]);
        const due = (rate.idleFires + rate.requestFires) / plan.wakeups;
        return {
            refresh: plan.refreshes * of(tables.refresh),
            start: rate.fresh * of(tables.start) + rate.reused * of(tables.restart) +
                   rate.idleFires * tables.start[0],
            end: rate.answered * soonAfter(tables.end),
            fire: due * plan.wakeups * fireNs(tables, sizes, size, due),
            visit: rate.visits * of(tables.visit) + rate.drops * of(tables.drop),
            tick: plan.wakeups * calibration.tick,
            records: (plan.refreshes + plan.requests) * of(calibration.touch) +
                     rate.answered * soonAfter(calibration.touch),
        };
    }

    function total(parts) {
        return parts.refresh + parts.start + parts.end + parts.fire + parts.visit + parts.tick;
    }

    function lateness(plan, kind, calibration, parts) {
        const sizes = calibration.sizes, tables = calibration.costs[kind];
        const rate = rates(plan, kind);
        const visit = interpolate(sizes, tables.visit, plan.connections);
        const due = (rate.idleFires + rate.requestFires) / plan.wakeups;
        const cells = (rate.visits + rate.drops) / plan.wakeups + due;
        const cellsMax = most(cells) + 2 * CHUNK_CELLS, dueMax = most(due);
        const passing = (parts.fire + parts.visit) / plan.wakeups;
        return {expected_ns: calibration.tick + passing / 2,
                worst_ns: calibration.tick + cellsMax * visit +
                          dueMax * fireNs(tables, sizes, plan.connections, dueMax),
                cells_max: cellsMax, due_max: dueMax};
    }

    function largest(plan, fits) {
        let low = 1, high = CONNECTIONS_MAX;
        if (!fits(scaled(plan, low)))
            return 0;
        if (fits(scaled(plan, high)))
            return high;
        for (let i = 0; i < 60; i++) {
            const middle = Math.sqrt(low * high);
            if (fits(scaled(plan, middle)))
                low = middle;
            else
                high = middle;
        }
        return Math.floor(low);
    }

    function answer(plan, kind, calibration, memoryBytes, core) {
        const parts = cost(plan, kind, calibration);
        return {
            ...memory(plan, kind, calibration),
            core_share: total(parts) / 1e9,
            timers_share: Math.max(0, total(parts) - parts.records) / 1e9,
            ...lateness(plan, kind, calibration, parts),
            per_core: largest(plan, (bigger) => 
                total(cost(bigger, kind, calibration)) / 1e9 <= core),
            per_memory: largest(plan, (bigger) =>
                memory(bigger, kind, calibration).bytes <= memoryBytes),
        };
    }

    return {answer, problem};
})();
if (typeof module !== "undefined")
    module.exports = planner;
