// SPDX-License-Identifier: MIT
// Netty's hashed wheel: Timers WORKLOAD COUNT prints the operations and their processor
// ns. A thread of the wheel's own takes starts and cancels from a queue at its next tick:
// so the time is that of the whole process, until the thread has had them all.
import io.netty.util.HashedWheelTimer;
import io.netty.util.Timeout;
import io.netty.util.TimerTask;
import java.lang.management.ManagementFactory;
import java.util.Random;
import java.util.concurrent.TimeUnit;

public class Timers {
    static final long MINUTE = 60_000;
    static final int A_TICK = 100_000; // what its thread takes from the queue in one
    static final TimerTask NOTHING = timeout -> {};
    static final Random RANDOM = new Random(1);
    static final HashedWheelTimer WHEEL = new HashedWheelTimer(10, TimeUnit.MILLISECONDS, 8192);

    static long cpu() {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory
            .getOperatingSystemMXBean();
        return system.getProcessCpuTime();
    }

    static Timeout start(long delay) {
        return WHEEL.newTimeout(NOTHING, delay, TimeUnit.MILLISECONDS);
    }

    // Nothing fires: deadlines are more than a minute away.
    static long delay() {
        return MINUTE + RANDOM.nextInt((int) MINUTE);
    }

    static void settle(int operations) throws InterruptedException {
        Thread.sleep(100 + 20L * (operations / A_TICK));
    }

    static void run(String workload, Timeout[] timers, int operations) throws InterruptedException {
        for (int i = 0; i < operations; i++) {
            int at = workload.equals("request") ? i % timers.length : RANDOM.nextInt(timers.length);
            timers[at].cancel();
            timers[at] = start(workload.equals("churn") ? delay() : 2 * MINUTE);
        }
        settle(operations);
    }

    public static void main(String[] arguments) throws InterruptedException {
        String workload = arguments[0];
        Timeout[] timers = new Timeout[Integer.parseInt(arguments[1])];
        int operations = workload.equals("fill") ? timers.length : 200_000;
        for (int i = 0; i < A_TICK; i++) // for the compiler, which is not measured
            start(delay()).cancel();
        settle(A_TICK);
        long began = cpu();
        for (int i = 0; i < timers.length; i++)
            timers[i] = start(delay());
        settle(timers.length);
        if (!workload.equals("fill")) {
            run(workload, timers, operations);
            began = cpu();
            run(workload, timers, operations);
        }
        System.out.println(operations + " " + (cpu() - began));
        System.exit(0);
    }
}
