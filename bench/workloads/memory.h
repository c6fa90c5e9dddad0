/* SPDX-License-Identifier: MIT */
/* What N timers make resident, their part of the caller's records included. No
 * time is measured. */
#ifndef TICKWHEEL_BENCH_WORKLOADS_MEMORY_H
#define TICKWHEEL_BENCH_WORKLOADS_MEMORY_H

#include "common.h"

namespace bench
{

template <template <Fire *> class C> class Memory
{
  public:
    static constexpr Workload kind = Workload::fill;
    static constexpr const char *name = "memory";
    static void fire(void *)
    {
    }
    using Timers = C<&Memory::fire>;

    explicit Memory(const Setting &setting)
        : world_(this, setting, setting.timers), measures_(setting.recording == nullptr)
    {
    }

    void run(Stopwatch &, Figures &figures)
    {
        if (measures_)
            world_.measure_resident([this] {
                world_.open();
                for (uint32_t id = 0; id < world_.connections(); id++)
                    world_.start(world_.connection(id),
                                 START_NS + random_delay(SPAN_NS, random64(id)));
            });
        figures.operations = 1;
        world_.report(figures);
    }

  private:
    World<Timers> world_;
    const bool measures_;
};

} // namespace bench

#endif
