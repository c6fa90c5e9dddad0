// SPDX-License-Identifier: MIT
// Tokio's wheel: timers WORKLOAD COUNT prints the operations and their processor ns.
// A Sleep registers when it is polled first; reset moves it, and dropping it stops it.
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::time::Duration;
use tokio::time::{sleep, Instant, Sleep};

const MINUTE: u64 = 60_000_000;

fn nobody() -> Waker {
    const TABLE: RawWakerVTable = RawWakerVTable::new(|_| RAW, |_| {}, |_| {}, |_| {});
    const RAW: RawWaker = RawWaker::new(std::ptr::null(), &TABLE);
    unsafe { Waker::from_raw(RAW) }
}

fn draw(state: &mut u64, bound: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % bound
}

// Processor time from /proc/self/schedstat: the first number, in ns.
fn cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("schedstat");
    text.split_whitespace().next().unwrap().parse().unwrap()
}

fn start(delay_us: u64) -> Pin<Box<Sleep>> {
    let mut timer = Box::pin(sleep(Duration::from_micros(delay_us)));
    assert!(timer.as_mut().poll(&mut Context::from_waker(&nobody())) == Poll::Pending);
    timer
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let workload = arguments[1].as_str();
    let count: usize = arguments[2].parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _inside = runtime.enter();
    let mut random = 88172645463325252;
    let mut began = cpu();
    // Nothing fires: deadlines are more than a minute away.
    let mut timers: Vec<Pin<Box<Sleep>>> =
        (0..count).map(|_| start(MINUTE + draw(&mut random, MINUTE))).collect();
    let mut operations = count;
    if workload != "fill" {
        operations = 200000;
        let order: Vec<usize> =
            (0..operations).map(|_| draw(&mut random, count as u64) as usize).collect();
        began = cpu();
        for (i, at) in order.into_iter().enumerate() {
            match workload {
                "churn" => {
                    let delay = Duration::from_micros(MINUTE + draw(&mut random, MINUTE));
                    timers[at].as_mut().reset(Instant::now() + delay)
                }
                "idle" => timers[at].as_mut().reset(Instant::now() + Duration::from_micros(2 * MINUTE)),
                _ => timers[i % count] = start(2 * MINUTE),
            }
        }
    }
    println!("{} {}", operations, cpu() - began);
}
