/* SPDX-License-Identifier: MIT */
/* script: making a trace ready, as script.h says. */
#include "script.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "trace_file.h"
#include "world.h"

namespace bench
{

namespace
{

/* Deadlines keep this far from whole milliseconds: some contenders count in
 * microseconds, or in floating point. */
constexpr uint64_t MARGIN_NS = 1001;
constexpr uint64_t YEAR_NS = 366 * 86400 * SECOND; /* nothing is further out in a replay */
constexpr uint64_t ENOUGH_OPERATIONS = 4000000; /* some 10 ms, of the fastest contender */
constexpr size_t IDLE = SIZE_MAX;

class Writer
{
  public:
    explicit Writer(Script &script) : script_(script)
    {
    }

    /* NULL, or what is wrong with the event. */
    const char *add(const trace_event &event)
    {
        if (script_.steps.empty() && !began_) {
            began_ = true;
            origin_ns_ = event.time_ns;
        }
        switch (event.op) {
        case TRACE_RUN:
            run(event.deadline_ns);
            return nullptr;
        case TRACE_START:
        case TRACE_MOVE:
            start(event.id, at(event.deadline_ns));
            return nullptr;
        case TRACE_SOON:
            start(event.id, now_ns_);
            return nullptr;
        case TRACE_STOP:
            stop(event.id, Script::FOR_GOOD);
            return nullptr;
        case TRACE_PARK:
            stop(event.id, Script::PARK);
            return nullptr;
        case TRACE_FIRE:
            return fire(event.id);
        default:
            return "an unknown operation";
        }
    }

    void finish()
    {
        for (size_t start : starts_)
            if (start != IDLE)
                miss(start);
        close_advance();
        script_.timers = starts_.size();
        script_.schedule.operations = operations_;
        script_.passes =
            std::clamp<size_t>(ENOUGH_OPERATIONS / std::max<uint64_t>(operations_, 1), 1, 200);
    }

  private:
    /* A time of the trace, on the replay's clock. */
    uint64_t at(uint64_t ns) const
    {
        uint64_t since = ns > origin_ns_ ? ns - origin_ns_ : 0;
        return START_NS + std::min(since, YEAR_NS);
    }
    size_t &start_of(uint32_t id)
    {
        if (id >= starts_.size())
            starts_.resize(size_t{id} + 1, IDLE);
        return starts_[id];
    }

    void advance(uint64_t now_ns)
    {
        close_advance();
        now_ns_ = now_ns;
        in_run_ = true;
        script_.steps.push_back({now_ns, 0, Script::ADVANCE});
        script_.advances++;
    }
    void close_advance()
    {
        Schedule &schedule = script_.schedule;
        size_t before = schedule.steps.empty() ? 0 : schedule.steps.back().end;
        size_t due = schedule.ids.size() - before;
        schedule.due_max = std::max(schedule.due_max, due);
        if (due > 0)
            schedule.steps.push_back({now_ns_, schedule.ids.size()});
    }
    void run(uint64_t reading_ns)
    {
        uint64_t rounded = (at(reading_ns) + MS - 1) / MS * MS;
        in_run_ = false;
        if (rounded > now_ns_)
            advance(rounded);
    }

    void start(uint32_t id, uint64_t due_ns)
    {
        size_t &start = start_of(id);
        bool pending = start != IDLE;
        if (pending)
            miss(start);
        start = script_.steps.size();
        script_.steps.push_back({due_ns, id, pending ? Script::REARM : Script::START});
        operations_++;
    }
    void stop(uint32_t id, Script::How how)
    {
        size_t &start = start_of(id);
        if (start == IDLE) { /* it was parked */
            if (how == Script::FOR_GOOD)
                script_.steps.push_back({Script::DISCARD, id, Script::STOP});
            return;
        }
        miss(start);
        start = IDLE;
        script_.steps.push_back({how, id, Script::STOP});
        operations_++;
    }
    const char *fire(uint32_t id)
    {
        size_t &start = start_of(id);
        if (start == IDLE)
            return "a timer fires that is not pending";
        if (!in_run_)
            advance(now_ns_ + MS);
        uint64_t &due_ns = script_.steps[start].ns;
        due_ns = std::clamp(due_ns, now_ns_ - MS + MARGIN_NS, now_ns_ - MARGIN_NS);
        start = IDLE;
        Schedule &schedule = script_.schedule;
        schedule.ids.push_back(id);
        schedule.fired++;
        /* As World::note does. */
        schedule.checksum += random64(uint64_t{id} * Connection::MAX_TIMERS ^ now_ns_ << 20);
        operations_++;
        return nullptr;
    }
    /* Up to now the timer has not fired, and now it never will for this deadline. */
    void miss(size_t start)
    {
        uint64_t &due_ns = script_.steps[start].ns;
        due_ns = std::max(due_ns, now_ns_ + MARGIN_NS);
    }

    Script &script_;
    std::vector<size_t> starts_; /* by id: its latest start among the steps; IDLE */
    uint64_t origin_ns_ = 0, now_ns_ = START_NS, operations_ = 0;
    bool began_ = false, in_run_ = false; /* in_run_: the last run is an advance */
};

[[noreturn]] void give_up(const char *path, const char *why)
{
    fprintf(stderr, "%s: %s\n", path, why);
    exit(2);
}

[[noreturn]] void give_up_at(const char *path, const trace_reader &reader,
                             const trace_event &event, const char *why)
{
    if (reader.line != 0) /* the text form */
        fprintf(stderr, "%s: line %zu, timer %u: %s\n", path, reader.line, event.id, why);
    else
        fprintf(stderr, "%s: event %" PRIu64 ", timer %u: %s\n", path, reader.codec.count,
                event.id, why);
    exit(2);
}

void load(Script &script, const char *path)
{
    size_t count;
    std::unique_ptr<void, decltype(&free)> bytes(trace_load(path, TRACE_MAX_BYTES, &count), &free);
    if (bytes == nullptr)
        give_up(path, strerror(errno));
    trace_reader reader;
    trace_event event;
    int more = trace_read_begin(&reader, bytes.get(), count) == 0 ? 1 : -1;
    Writer writer(script);
    while (more == 1 && (more = trace_read_next(&reader, &event)) == 1) {
        if (const char *wrong = writer.add(event))
            give_up_at(path, reader, event, wrong);
    }
    if (more != 0)
        give_up(path, reader.error);
    writer.finish();
    if (script.schedule.operations == 0)
        give_up(path, "there is no operation in it");
}

} // namespace

const Script &script()
{
    static const Script script = [] {
        Script loaded;
        const char *path = getenv("TICKWHEEL_BENCH_TRACE");
        if (path == nullptr)
            give_up("TICKWHEEL_BENCH_TRACE", "names no trace; use bench/replay");
        load(loaded, path);
        return loaded;
    }();
    return script;
}

} // namespace bench
