/* SPDX-License-Identifier: MIT */
/*
 * The world that a workload plays in: the callers' records with their
 * contender, the virtual clock, and the account of what fired.
 */
#ifndef TICKWHEEL_BENCH_WORLD_H
#define TICKWHEEL_BENCH_WORLD_H

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <new>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "memory.h"
#include "plan.h"
#include "stopwatch.h"
#include "contender.h"

namespace bench
{

/* Cheap random numbers: the k-th is a function of k alone, so that contenders
 * draw the same whatever the order in which they fire. */
inline uint64_t random64(uint64_t counter)
{
    uint64_t x = (counter + 1) * 0x9E3779B97F4A7C15;
    x ^= x >> 32;
    x *= 0xD6E8FEB86659FD93;
    return x ^ x >> 32;
}

/* Uniform in [0, bound). */
inline uint64_t below(uint64_t bound, uint64_t random)
{
    return static_cast<uint64_t>(static_cast<unsigned __int128>(random) * bound >> 64);
}

/* Uniform in (0, span_ns), and odd: no deadline falls on a step exactly, so it
 * does not matter whether a library's comparison there is < or <=, or in what
 * unit it keeps its time. */
inline uint64_t random_delay(uint64_t span_ns, uint64_t random)
{
    return below(span_ns, random) | 1;
}

/* Ids 0 to count - 1 in a random order, then again in another order, and so on
 * for so many rounds. Worked out once for all contenders: drawing it while they
 * are measured would cost as much as some of them do. */
const std::vector<uint32_t> &shuffled(size_t count, size_t rounds);

/* Whether a contender has sleep(), rather than next_ns(). */
template <class Timers, class = void> struct sleeps_itself : std::false_type {
};
template <class Timers>
struct sleeps_itself<Timers, std::void_t<decltype(std::declval<Timers &>().sleep())>>
    : std::true_type {
};

/* Whether a contender has discard(): its stop keeps something for the next start,
 * and discard gives it up, of a node that is started or stopped. */
template <class Timers, class = void> struct discards : std::false_type {
};
template <class Timers>
struct discards<Timers, std::void_t<decltype(std::declval<Timers &>().discard(
                            std::declval<typename Timers::Node &>()))>> : std::true_type {
};

/* Whether a contender's start and rearm want the timer's argument, too. */
template <class Timers, class = void> struct takes_argument : std::false_type {
};
template <class Timers>
struct takes_argument<Timers, std::void_t<decltype(std::declval<Timers &>().start(
                                  std::declval<typename Timers::Node &>(), uint64_t{}, nullptr))>>
    : std::true_type {
};

template <class Timers, unsigned TIMERS_PER_RECORD = 1> class World
{
  public:
    using Node = typename Timers::Node;
    struct Record {
        Connection connection;
        Node nodes[TIMERS_PER_RECORD];
    };

    World(void *workload, const Setting &setting, size_t records)
        : workload_(workload), setting_(setting), count_(records)
    {
        warm_malloc(setting.timers * Timers::MALLOC_PER_TIMER);
        void *memory = record_memory(setting.thread, records * sizeof(Record));
        records_ = static_cast<Record *>(memory);
    }

    /* Makes the contender and the idle records, and starts the virtual clock. */
    void open()
    {
        fired_ = checksum_ = 0;
        Plan plan = {};
        plan.timers = setting_.timers;
        plan.schedule = setting_.schedule;
        plan.recording = setting_.recording;
        plan.records = reinterpret_cast<char *>(records_);
        plan.record_bytes = sizeof(Record);
        plan.timers_shift = TIMERS_PER_RECORD == 1 ? 0 : 2;
        plan.node_offset = static_cast<size_t>(reinterpret_cast<char *>(records_->nodes) -
                                               reinterpret_cast<char *>(records_));
        plan.node_bytes = sizeof(Node);
        if (setting_.recording != nullptr)
            *setting_.recording = Schedule{};
        virtual_ns = START_NS;
        malloc_before_ = malloc_bytes();
        timers.emplace(plan);
        for (size_t id = 0; id < count_; id++)
            make_record(static_cast<uint32_t>(id));
    }

    void close()
    {
        for (size_t id = 0; id < count_; id++)
            for (Node &node : records_[id].nodes)
                timers->finish(node);
        timers->count(counts_);
        timers.reset();
        for (size_t id = 0; id < count_; id++)
            records_[id].~Record();
        virtual_ns = 0;
        judge();
    }

    Connection &connection(uint32_t id)
    {
        return records_[id].connection;
    }
    size_t connections() const
    {
        return count_;
    }

    void start(Connection &connection, uint64_t due_ns, unsigned timer = 0)
    {
        connection.due_ns[timer] = due_ns;
        connection.bytes++;
        if constexpr (takes_argument<Timers>::value)
            timers->start(node(connection, timer), due_ns, argument(connection, timer));
        else
            timers->start(node(connection, timer), due_ns);
    }
    void rearm(Connection &connection, uint64_t due_ns, unsigned timer = 0)
    {
        connection.due_ns[timer] = due_ns;
        connection.bytes++;
        if constexpr (takes_argument<Timers>::value)
            timers->rearm(node(connection, timer), due_ns, argument(connection, timer));
        else
            timers->rearm(node(connection, timer), due_ns);
    }
    void stop(Connection &connection, unsigned timer = 0)
    {
        connection.bytes++;
        timers->stop(node(connection, timer));
    }
    /* Stops a started timer that will not be started again. */
    void stop_for_good(Connection &connection)
    {
        connection.bytes++;
        if constexpr (discards<Timers>::value)
            timers->discard(node(connection, 0));
        else
            timers->stop(node(connection, 0));
    }
    /* Says the same of one that is stopped. */
    void discard(Connection &connection)
    {
        if constexpr (discards<Timers>::value)
            timers->discard(node(connection, 0));
    }

    void advance(uint64_t now_ns)
    {
        virtual_ns = now_ns;
        timers->advance(now_ns);
    }
    void step()
    {
        advance(virtual_ns + MS);
    }
    /* Sleeps as long as the contender wishes, and runs what is due then.
     * Answers how often it was woken. */
    uint64_t sleep()
    {
        if constexpr (sleeps_itself<Timers>::value) {
            uint64_t polls_before = virtual_polls;
            timers->sleep();
            return virtual_polls - polls_before;
        } else {
            advance(std::max(virtual_ns, timers->next_ns()));
            return 1;
        }
    }
    void steps(uint64_t steps)
    {
        for (uint64_t i = 0; i < steps; i++)
            step();
    }
    /* The same, each timed on its own. */
    void steps_timed(uint64_t steps, Samples &samples)
    {
        uint64_t before = sample_ns();
        for (uint64_t i = 0; i < steps; i++) {
            step();
            uint64_t after = sample_ns();
            samples.add(after - before);
            before = after;
        }
    }

    /* To be called first by each callback. */
    void note(Connection &connection, unsigned timer = 0)
    {
        uint64_t due_ns = connection.due_ns[timer];
        uint64_t now_ns = virtual_ns;
        connection.bytes++;
        fired_++;
        if (now_ns < due_ns)
            early_++;
        else
            late_max_ns_ = std::max(late_max_ns_, now_ns - due_ns);
        uint64_t which = uint64_t{connection.id} * Connection::MAX_TIMERS + timer;
        checksum_ += random64(which ^ (checks_times_ ? now_ns << 20 : 0));
    }
    uint64_t fired() const
    {
        return fired_;
    }
    /* For a workload in which contenders choose when they wake up. */
    void check_no_times()
    {
        checks_times_ = false;
    }

    /* To be called while all timers are live. */
    void measure_bytes()
    {
        Counts counts;
        timers->count(counts);
        size_t held = counts.bytes != 0 ? counts.bytes : malloc_bytes() - malloc_before_;
        bytes_per_timer_ = static_cast<double>(Timers::template bytes_of<Node>()) +
                           static_cast<double>(held) / static_cast<double>(setting_.timers);
    }

    /* What `use` makes resident, by a child process in which neither malloc nor
     * the records have any memory yet. `use` opens the world, and leaves it so. */
    template <class Use> void measure_resident(Use use)
    {
        double grown = resident_growth(use);
        resident_per_timer_ = grown / static_cast<double>(setting_.timers) -
                              static_cast<double>(sizeof(Record)) +
                              static_cast<double>(Timers::template bytes_of<Node>());
    }

    /* After close. */
    void report(Figures &figures) const
    {
        figures.wrong = wrong_;
        figures.add("fired", static_cast<double>(fired_));
        figures.add("early", static_cast<double>(early_));
        figures.add("late_max_ns", static_cast<double>(late_max_ns_));
        if (resident_per_timer_ > 0)
            figures.add("resident_per_timer", resident_per_timer_);
        if (bytes_per_timer_ > 0)
            figures.add("bytes_per_timer", bytes_per_timer_);
        if (!counts_.known || setting_.schedule == nullptr)
            return;
        figures.add("moved", static_cast<double>(counts_.moved));
        figures.add("moved_max", static_cast<double>(counts_.moved_max));
        figures.add("visited", static_cast<double>(counts_.visited));
        figures.add("relocated", static_cast<double>(counts_.relocated));
        figures.add("due_max", static_cast<double>(setting_.schedule->due_max));
        figures.add("even_share", setting_.schedule->even_share);
    }

    std::optional<Timers> timers;

  private:
    void make_record(uint32_t id)
    {
        Record *record = new (&records_[id]) Record();
        record->connection = Connection{};
        record->connection.world = workload_;
        record->connection.id = id;
        for (unsigned timer = 0; timer < TIMERS_PER_RECORD; timer++)
            timers->init(record->nodes[timer], argument(record->connection, timer));
    }
    static void *argument(Connection &connection, unsigned timer)
    {
        return &connection.timer[timer];
    }
    Node &node(Connection &connection, unsigned timer)
    {
        return reinterpret_cast<Record *>(&connection)->nodes[timer];
    }
    /* Whether what fired is what had to; or, for the oracle, notes what had to. */
    void judge()
    {
        if (setting_.recording != nullptr) {
            setting_.recording->fired = fired_;
            setting_.recording->checksum = checksum_;
        } else if (setting_.schedule->checksum != checksum_ || setting_.schedule->fired != fired_) {
            char text[200];
            snprintf(text, sizeof text,
                     "its checksum differs: %" PRIu64 " timers fired, and %" PRIu64
                     " had to; %" PRIu64 " of them early, the latest %.3f ms after its deadline",
                     fired_, setting_.schedule->fired, early_,
                     static_cast<double>(late_max_ns_) / 1e6);
            wrong_ = text;
        }
    }

    void *workload_;
    const Setting setting_;
    size_t count_;
    Record *records_;
    size_t malloc_before_ = 0;
    double bytes_per_timer_ = 0, resident_per_timer_ = 0;
    Counts counts_;
    uint64_t fired_ = 0, checksum_ = 0, early_ = 0, late_max_ns_ = 0;
    bool checks_times_ = true;
    std::string wrong_; /* as in Figures */
};

} // namespace bench

#endif
