/* SPDX-License-Identifier: MIT */
/*
 * A round is one window of every contender of a workload at one size, one after the
 * other in random order; then comes the next round, in another order. So what is
 * compared was measured within seconds, and a slow minute of the machine falls on
 * all of them: ratios are taken within a round (report/intervals.py).
 *
 * A window in which the system had the processor for something else, by more than
 * two per cent of its time, is measured again before the round ends, twice at most; the
 * least disturbed counts.
 */
#include "rounds.h"

#include <benchmark/benchmark.h>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>
#include <vector>

#include "progress.h"

namespace bench
{

namespace
{

constexpr int TRIES = 3;

/* The share of its time that a window may have been without the processor. */
double tolerated()
{
    const char *text = environment("TICKWHEEL_BENCH_AWAY");
    return text != nullptr ? atof(text) : 0.02;
}

using Run = benchmark::BenchmarkReporter::Run;

struct Noted {
    std::string name;
    size_t timers;
};

/* Filled before main, by the contenders' files. */
std::map<std::pair<size_t, std::string>, std::vector<Noted>> &groups()
{
    static std::map<std::pair<size_t, std::string>, std::vector<Noted>> all;
    return all;
}

double away_in(const Run &run)
{
    auto found = run.counters.find("away");
    return found == run.counters.end() ? 0 : static_cast<double>(found->second);
}

/* Keeps a round's runs until it is over, and then writes the best try of each. */
class Writer : public benchmark::BenchmarkReporter
{
  public:
    explicit Writer(const std::string &path) : file_(path)
    {
        json_.SetOutputStream(&file_);
        json_.SetErrorStream(&GetErrorStream());
    }
    bool ReportContext(const Context &context) override
    {
        if (!std::exchange(has_begun_, true))
            json_.ReportContext(context);
        return true;
    }
    void ReportRuns(const std::vector<Run> &runs) override
    {
        for (const Run &run : runs) {
            auto [at, is_new] = best_.try_emplace(run.benchmark_name(), run);
            tries_[run.benchmark_name()]++;
            if (!is_new && away_in(run) < away_in(at->second))
                at->second = run;
        }
    }
    /* The runs of this round that are to be tried again; none that is slow. */
    std::vector<std::string> disturbed() const
    {
        std::vector<std::string> names;
        for (auto &[name, run] : best_)
            if (!run.error_occurred && away_in(run) > tolerated() && !was_slow(name))
                names.push_back(name);
        return names;
    }
    void end_round(int round)
    {
        for (auto &[name, run] : best_) {
            run.counters["round"] = round;
            run.counters["tries"] = tries_[name];
            if (was_slow(name)) /* then it is the only round that it has */
                run.counters["slow"] = 1;
            json_.ReportRuns({run});
        }
        best_.clear();
        tries_.clear();
    }
    bool end()
    {
        if (has_begun_)
            json_.Finalize();
        file_.flush();
        return has_begun_ && file_.good();
    }

  private:
    std::ofstream file_;
    benchmark::JSONReporter json_;
    bool has_begun_ = false;
    std::map<std::string, Run> best_;
    std::map<std::string, int> tries_;
};

std::string any_of(const std::vector<std::string> &names)
{
    std::string pattern = "^(";
    for (const std::string &name : names)
        pattern += name + (&name == &names.back() ? ")$" : "|");
    return pattern;
}

void play_round(Writer &writer, int round, std::vector<std::string> names)
{
    for (int attempt = 0; attempt < TRIES && !names.empty(); attempt++) {
        if (attempt > 0)
            once_more(names.size());
        benchmark::RunSpecifiedBenchmarks(&writer, any_of(names));
        names = writer.disturbed();
    }
    writer.end_round(round);
}

/* What has turned out slow is measured in the first round alone. */
std::vector<std::string> still_quick(const std::vector<std::string> &names)
{
    std::vector<std::string> quick;
    for (const std::string &name : names) {
        if (was_slow(name))
            left_out(name);
        else
            quick.push_back(name);
    }
    return quick;
}

} // namespace

void note_benchmark(const std::string &group, const std::string &name, size_t timers)
{
    groups()[{timers, group}].push_back({name, timers});
}

bool run_rounds(const std::string &filter, const std::string &out)
{
    auto regex_of = [](const char *text) {
        return std::regex(text == nullptr || *text == '\0' ? "." : text, std::regex::extended);
    };
    const std::regex wanted = regex_of(filter.c_str());
    const std::regex wanted_too = regex_of(environment("TICKWHEEL_BENCH_AND"));
    Writer writer(out);
    for (auto &[key, noted] : groups()) {
        std::vector<std::string> names;
        for (const Noted &benchmark : noted)
            if (std::regex_search(benchmark.name, wanted) &&
                std::regex_search(benchmark.name, wanted_too))
                names.push_back(benchmark.name);
        const int rounds = names.empty() ? 0 : rounds_of(key.first);
        for (int round = 0; round < rounds; round++)
            play_round(writer, round, still_quick(names));
    }
    return writer.end();
}

} // namespace bench
