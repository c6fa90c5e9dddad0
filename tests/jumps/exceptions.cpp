/* SPDX-License-Identifier: MIT */
// Exceptions that leave callbacks: each is caught by whoever runs the loop, who
// then finds the loop as after a run that was cut short.
#include <pthread.h>
#include <tickwheel.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <vector>

namespace {

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);           \
            std::exit(1);                                                                          \
        }                                                                                          \
    } while (0)

constexpr uint64_t SECOND = 1000000000;
uint64_t now_ns = 5 * SECOND;

uint64_t read_clock(void *) { return now_ns; }

tw_loop *new_loop() {
    tw_options options = TW_OPTIONS_INIT;
    options.clock = read_clock;
    tw_loop *loop = tw_loop_new(&options);
    MUST(loop);
    return loop;
}

tw_loop *loop;
std::vector<int> made;

void note(void *arg) { made.push_back(*static_cast<int *>(arg)); }

void note_and_throw(void *arg) {
    note(arg);
    throw std::runtime_error("thrown by a callback");
}

int ids[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

// Runs until all is made; answers how many exceptions came.
int run_all() {
    int thrown = 0;
    while (tw_pending_count(loop) > 0) {
        try {
            errno = 0;
            tw_run(loop);
            MUST(errno == 0);
        } catch (const std::runtime_error &) {
            thrown++;
            MUST(!tw_check(loop));
        }
    }
    return thrown;
}

void the_rest_stays_due() {
    loop = new_loop();
    made.clear();
    tw_timer timer;
    tw_timer_init(&timer, note_and_throw, &ids[3]);
    tw_call_soon(loop, note_and_throw, &ids[0]);
    tw_call_soon(loop, note, &ids[1]);
    tw_call_at_ns(loop, 1, note_and_throw, &ids[2]);
    tw_timer_start_at_ns(loop, &timer, 2);
    tw_call_at_ns(loop, 3, note, &ids[4]);
    MUST(run_all() == 3);
    MUST((made == std::vector<int>{0, 1, 2, 3, 4}));
    tw_loop_free(loop);
}

// Not only in the next run: at once, and from anywhere in the stack.
void deep(int depth) {
    volatile char below[4000] = {};
    (void)below[depth];
    if (depth > 0) {
        deep(depth - 1);
        return;
    }
    MUST(tw_run(loop) == 1);
}

void the_run_is_over_at_once() {
    loop = new_loop();
    made.clear();
    tw_call_soon(loop, note_and_throw, &ids[0]);
    tw_call_soon(loop, note, &ids[1]);
    try {
        tw_run(loop);
        MUST(false);
    } catch (const std::runtime_error &) {
    }
    deep(10);
    MUST((made == std::vector<int>{0, 1}));
    tw_call_soon(loop, note_and_throw, &ids[2]);
    try {
        tw_run(loop);
        MUST(false);
    } catch (const std::runtime_error &) {
        tw_loop_free(loop); // also from the handler
    }
}

int references, inside;

void retain(tw_context *) { references++; }
void release(tw_context *) { references--; }
void enter(tw_context *) { inside++; }
void leave(tw_context *) { inside--; }

const tw_context_ops ops = {retain, release, enter, leave};

void contexts_are_left_and_released() {
    loop = new_loop();
    tw_context own = {nullptr}, context = {&ops};
    tw_context_set(loop, &own);
    tw_call_at_in(loop, 0, note_and_throw, &ids[0], &context);
    tw_handle every = tw_call_every_ns(loop, SECOND, note_and_throw, &ids[1]);
    now_ns += SECOND;
    MUST(references == 1);
    for (int i = 0; i < 2; i++) {
        try {
            tw_run(loop);
            MUST(false);
        } catch (const std::runtime_error &) {
            MUST(inside == 0 && references == 0);
            MUST(tw_context_current(loop) == &own);
            MUST(tw_missed(loop) == 0);
        }
    }
    MUST(tw_cancel(loop, every));
    tw_loop_free(loop);
}

// As above, in a run that has only the wheel to look at: the run before says so.
void runs_of_the_wheel_alone_are_over_too() {
    loop = new_loop();
    made.clear();
    tw_context context = {&ops};
    tw_run(loop);
    tw_call_later_in(loop, 1, note_and_throw, &ids[0], &context);
    tw_handle handle = tw_call_later_threadsafe_ns(loop, 2 * SECOND, note_and_throw, &ids[1]);
    tw_run(loop);
    MUST(references == 1);
    for (int i = 1; i <= 2; i++) {
        now_ns += SECOND;
        try {
            tw_run(loop);
            MUST(false);
        } catch (const std::runtime_error &) {
            MUST(inside == 0 && references == 0);
            MUST(tw_context_current(loop) == nullptr);
            MUST(!tw_check(loop));
        }
        tw_run(loop);
    }
    MUST(!tw_cancel_and_wait(loop, handle));
    MUST((made == std::vector<int>{0, 1}));
    tw_loop_free(loop);
}

int caught;

void run_inside(void *) {
    try {
        tw_run(loop);
        MUST(false);
    } catch (const std::runtime_error &) {
        caught++;
    }
}

// The run around it goes on, and the next run, too: each call that was left is over.
void a_nested_run_that_is_left_is_over() {
    tw_options options = TW_OPTIONS_INIT;
    options.clock = read_clock;
    options.nested = true;
    loop = tw_loop_new(&options);
    tw_context own = {nullptr}, context = {&ops};
    tw_context_set(loop, &own);
    made.clear();
    caught = 0;
    tw_call_soon(loop, run_inside, nullptr);
    tw_call_at_in(loop, 0, note_and_throw, &ids[0], &context);
    tw_call_at_ns(loop, 1, note, &ids[1]);
    MUST(tw_run(loop) == 2 && caught == 1);
    MUST(references == 0 && inside == 0 && tw_context_current(loop) == &own);
    tw_call_soon(loop, run_inside, nullptr);
    tw_handle handle = tw_call_at_threadsafe_ns(loop, 0, note_and_throw, &ids[2]);
    MUST(tw_run(loop) == 1 && caught == 2);
    MUST(!tw_cancel_and_wait(loop, handle));
    MUST((made == std::vector<int>{0, 1, 2}));
    MUST(tw_check(loop) == nullptr);
    tw_loop_free(loop);
}

void stop(void *) { tw_stop(loop); }

void tw_run_forever_lets_it_through() {
    loop = tw_loop_new(nullptr);
    made.clear();
    tw_call_later_ns(loop, 1000, note_and_throw, &ids[0]);
    tw_call_later_ns(loop, 2000000, note, &ids[1]);
    tw_call_later_ns(loop, 3000000, stop, nullptr);
    try {
        tw_run_forever(loop);
        MUST(false);
    } catch (const std::runtime_error &) {
    }
    MUST(tw_run_forever(loop) == 0);
    MUST((made == std::vector<int>{0, 1}));
    tw_loop_free(loop);
}

// An outer poller is told of what the exception left.
void descriptor_goes_on() {
    loop = tw_loop_new(nullptr);
    made.clear();
    if (tw_fd(loop) >= 0) {
        tw_call_soon(loop, note_and_throw, &ids[0]);
        tw_call_soon(loop, note, &ids[1]);
        try {
            tw_run(loop);
            MUST(false);
        } catch (const std::runtime_error &) {
        }
        MUST(tw_timeout_ms(loop) == 0);
        MUST(tw_run(loop) == 1);
    }
    tw_loop_free(loop);
}

bool throw_from_visit(void *, const tw_call_info *) { throw 1; }

void a_visit_may_throw() {
    loop = new_loop();
    made.clear();
    tw_call_soon(loop, note, &ids[1]);
    bool thrown = false;
    try {
        tw_foreach(loop, throw_from_visit, nullptr);
    } catch (int) {
        thrown = true;
    }
    MUST(thrown);
    MUST(tw_call_soon(loop, note, &ids[2]) != 0);
    MUST(tw_run(loop) == 2);
    tw_loop_free(loop);
}

void end_thread(void *) { pthread_exit(nullptr); }

void *run_in_thread(void *) {
    tw_run(loop);
    MUST(false);
    return nullptr;
}

// The thread ends in a callback: another one goes on.
void a_thread_may_end_in_a_callback() {
    loop = new_loop();
    made.clear();
    tw_call_soon(loop, end_thread, nullptr);
    tw_call_soon(loop, note, &ids[1]);
    pthread_t thread;
    MUST(pthread_create(&thread, nullptr, run_in_thread, nullptr) == 0);
    MUST(pthread_join(thread, nullptr) == 0);
    MUST(tw_loop_adopt(loop) == 0);
    MUST(tw_run(loop) == 1);
    MUST((made == std::vector<int>{1}));
    tw_loop_free(loop);
}

} // namespace

int main() {
    the_rest_stays_due();
    the_run_is_over_at_once();
    contexts_are_left_and_released();
    runs_of_the_wheel_alone_are_over_too();
    a_nested_run_that_is_left_is_over();
    tw_run_forever_lets_it_through();
    descriptor_goes_on();
    a_visit_may_throw();
    a_thread_may_end_in_a_callback();
    return 0;
}
