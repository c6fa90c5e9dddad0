/* SPDX-License-Identifier: MIT */
/*
 * What must fire in each workload, kept for all contenders that come to it.
 *
 * To work it out takes longer than most contenders do, and the suite has several
 * programs. So what all contenders but the limit need of it, which is a few
 * numbers, goes into a file that the next program finds:
 *
 *     TICKWHEEL_BENCH_SCHEDULES=FILE    read, and appended to; of one session
 */
#include <cinttypes>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>

#include "register.h"

namespace bench
{

namespace
{

using Key = std::pair<std::string, size_t>;

std::mutex mutex; /* of all that follows */

const char *file_of_schedules()
{
    return environment("TICKWHEEL_BENCH_SCHEDULES");
}

/* One line each: workload timers operations fired checksum due_max even_share */
std::map<Key, Schedule> read_schedules()
{
    std::map<Key, Schedule> schedules;
    FILE *file = file_of_schedules() != nullptr ? fopen(file_of_schedules(), "r") : nullptr;
    if (file == nullptr)
        return schedules;
    char workload[32];
    size_t timers;
    Schedule read = {};
    while (fscanf(file, "%31s %zu %" SCNu64 " %" SCNu64 " %" SCNu64 " %zu %lf", workload, &timers,
                  &read.operations, &read.fired, &read.checksum, &read.due_max,
                  &read.even_share) == 7)
        schedules[{workload, timers}] = read;
    fclose(file);
    return schedules;
}

void append_schedule(const Key &key, const Schedule &schedule)
{
    FILE *file = file_of_schedules() != nullptr ? fopen(file_of_schedules(), "a") : nullptr;
    if (file == nullptr)
        return;
    fprintf(file, "%s %zu %" PRIu64 " %" PRIu64 " %" PRIu64 " %zu %.17g\n", key.first.c_str(),
            key.second, schedule.operations, schedule.fired, schedule.checksum, schedule.due_max,
            schedule.even_share);
    fclose(file);
}

/* Latency mode has the same choices, only later: so the same fires. */
std::string without_mode(const std::string &workload)
{
    return workload.substr(0, workload.find("-latency"));
}

} // namespace

const Schedule &schedule_of(const std::string &workload, size_t timers, bool whole,
                            const std::function<void(Schedule &)> &record)
{
    static const std::map<Key, Schedule> given = read_schedules();
    static std::map<Key, std::unique_ptr<Schedule>> schedules;
    const Key key = {without_mode(workload), timers};
    std::lock_guard<std::mutex> lock(mutex);
    auto known = given.find(key);
    if (known != given.end() && !whole)
        return known->second;
    auto &schedule = schedules[key];
    if (schedule == nullptr) {
        schedule = std::make_unique<Schedule>();
        record(*schedule);
        append_schedule(key, *schedule);
    }
    return *schedule;
}

} // namespace bench
