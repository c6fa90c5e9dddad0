// SPDX-License-Identifier: MIT
// Go's runtime timers: timers WORKLOAD COUNT prints the operations and their processor ns.
package main

import (
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"syscall"
	"time"
)

const minute = 60 * time.Second

func cpu() int64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func nothing() {}

// Nothing fires: deadlines are more than a minute away.
func delay() time.Duration {
	return minute + time.Duration(rand.Int63n(int64(minute)))
}

func main() {
	workload := os.Args[1]
	count, _ := strconv.Atoi(os.Args[2])
	timers := make([]*time.Timer, count)
	began := cpu()
	for i := range timers {
		timers[i] = time.AfterFunc(delay(), nothing)
	}
	operations := count
	if workload != "fill" {
		operations = 200000
		order := make([]int, operations)
		for i := range order {
			order[i] = rand.Intn(count)
		}
		began = cpu()
		for i, at := range order {
			switch workload {
			case "churn":
				timers[at].Stop()
				timers[at].Reset(delay())
			case "idle":
				timers[at].Reset(minute * 2)
			case "request":
				oldest := i % count
				timers[oldest].Stop()
				timers[oldest] = time.AfterFunc(minute*2, nothing)
			}
		}
	}
	fmt.Println(operations, cpu()-began)
}
