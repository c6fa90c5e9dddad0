/* SPDX-License-Identifier: MIT */
/* A balanced tree from the standard library, as many programs use it: a
 * std::multimap from deadline to timer. The record keeps the iterator. */
#include <map>

#include "register.h"

namespace
{

struct Entry {
    bench::Fire *callback;
    void *arg;
};
using Tree = std::multimap<uint64_t, Entry>;

template <bench::Fire *fire> struct Multimap : bench::Defaults {
    struct Node {
        Tree::iterator place;
    };

    explicit Multimap(const bench::Plan &)
    {
    }
    void init(Node &node, void *)
    {
        node = Node{};
    }
    void start(Node &node, uint64_t due_ns, void *arg)
    {
        node.place = tree_.emplace(due_ns, Entry{fire, arg});
    }
    void stop(Node &node)
    {
        tree_.erase(node.place);
    }
    void rearm(Node &node, uint64_t due_ns, void *)
    {
        auto taken = tree_.extract(node.place);
        taken.key() = due_ns;
        node.place = tree_.insert(std::move(taken));
    }
    void advance(uint64_t now_ns)
    {
        while (!tree_.empty() && tree_.begin()->first <= now_ns) {
            Entry due = tree_.begin()->second;
            tree_.erase(tree_.begin());
            due.callback(due.arg);
        }
    }
    uint64_t next_ns()
    {
        return tree_.empty() ? bench::NEVER : tree_.begin()->first;
    }

  private:
    Tree tree_;
};

} // namespace

BENCH_CONTENDER("multimap", Multimap)
