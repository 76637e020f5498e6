//! What this process, its container and its node use, from `/proc` and the cgroup.

use std::fs;

use eoslab_core::ResourceUse;

/// Microseconds of one clock tick in `/proc`: `USER_HZ` is 100 on every Linux architecture in use.
const TICK_US: u64 = 10_000;
/// Where a container sees the CPU accounting of its own cgroup: version 2, then the names of version 1.
const CGROUP_FILES: [&str; 3] = [
    "/sys/fs/cgroup/cpu.stat",
    "/sys/fs/cgroup/cpu/cpu.stat",
    "/sys/fs/cgroup/cpu,cpuacct/cpu.stat",
];

/// CPU time (user and system) of this process in microseconds, in steps of 10 ms; 0 where `/proc` is not there.
pub fn process_cpu_us() -> u64 {
    fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|stat| process_us(&stat))
        .unwrap_or(0)
}

/// All that a report says of it; 0 for what cannot be read.
pub fn resource_use() -> ResourceUse {
    let read = |file: &str| fs::read_to_string(file).ok();
    let usage = ResourceUse {
        cpu_us: process_cpu_us(),
        node_memory_percent: read("/proc/meminfo")
            .and_then(|text| memory_percent(&text))
            .unwrap_or(0),
        ..read("/proc/stat").and_then(|text| node(&text)).unwrap_or_default()
    };
    match CGROUP_FILES.into_iter().find_map(read) {
        Some(text) => throttling(&text, usage),
        None => usage,
    }
}

/// `utime` and `stime` are fields 14 and 15; field 2, the name in brackets, may itself hold spaces and brackets.
fn process_us(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * TICK_US)
}

/// Times of the node's cores. The first line is `cpu`, then user, nice, system, idle, iowait, irq, softirq and
/// steal; what follows is part of user and nice. Steal is busy: the node had work and did not get the core.
fn node(stat: &str) -> Option<ResourceUse> {
    let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace();
    let ticks: Vec<u64> = fields.take(8).map_while(|field| field.parse().ok()).collect();
    let (all, idle, io_wait): (u64, _, _) = (ticks.iter().sum(), ticks.get(3)?, ticks.get(4)?);
    Some(ResourceUse {
        node_busy_us: (all - idle - io_wait) * TICK_US,
        node_stolen_us: ticks.get(7).copied().unwrap_or(0) * TICK_US,
        node_io_wait_us: io_wait * TICK_US,
        node_total_us: all * TICK_US,
        ..ResourceUse::default()
    })
}

fn memory_percent(meminfo: &str) -> Option<u32> {
    let total = number(meminfo, "MemTotal:")?;
    let available = number(meminfo, "MemAvailable:")?;
    (total.saturating_sub(available) * 100)
        .checked_div(total)
        .map(|percent| percent as u32)
}

/// Adds the periods under a limit, and those in which it stopped the container.
fn throttling(stat: &str, usage: ResourceUse) -> ResourceUse {
    ResourceUse {
        periods: number(stat, "nr_periods ").unwrap_or(0),
        throttled_periods: number(stat, "nr_throttled ").unwrap_or(0),
        ..usage
    }
}

/// The first number of the line that begins with `name`.
fn number(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_found_behind_any_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0";
        for name in ["loadgen", "a b", "x) S 1 ("] {
            assert_eq!(process_us(&format!("77 ({name}) {rest}")), Some(3_000_000), "{name}");
        }
        assert_eq!(process_us("77 (short) S 1"), None);
        assert_eq!(process_us(""), None);
    }

    #[test]
    fn a_node_is_busy_but_for_idle_and_waiting_for_disks() {
        let stat = "cpu  10 1 20 500 60 2 3 4 7 1\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        let usage = node(stat).expect("all fields");
        assert_eq!(
            (usage.node_busy_us, usage.node_io_wait_us, usage.node_total_us),
            (400_000, 600_000, 6_000_000)
        );
        assert_eq!(usage.node_stolen_us, 40_000);
        assert_eq!(node("intr 5"), None);
        assert_eq!(node("cpu 1 2"), None);
    }

    #[test]
    fn memory_in_use_is_what_the_kernel_cannot_give_back() {
        let meminfo = "MemTotal:       2000 kB\nMemFree:  10 kB\nMemAvailable:    500 kB\n";
        assert_eq!(memory_percent(meminfo), Some(75));
        assert_eq!(memory_percent("MemTotal: 0 kB\nMemAvailable: 0 kB"), None);
        assert_eq!(memory_percent(""), None);
    }

    #[test]
    fn throttling_is_read_from_either_version_of_cgroups() {
        let version_2 = "usage_usec 9\nnr_periods 200\nnr_throttled 50\nthrottled_usec 7\n";
        let version_1 = "nr_periods 200\nnr_throttled 50\nthrottled_time 7000\n";
        let periods = |stat| {
            let usage = throttling(stat, ResourceUse::default());
            (usage.periods, usage.throttled_periods)
        };
        assert_eq!(periods(version_2), (200, 50));
        assert_eq!(periods(version_1), (200, 50));
        assert_eq!(periods("usage_usec 9\n"), (0, 0), "the root has no limit");
    }

    #[test]
    fn work_shows_in_the_cpu_time_of_process_and_node() {
        let (before, node_before) = (process_cpu_us(), resource_use());
        let started = std::time::Instant::now();
        let mut sum = 0_u64;
        while process_cpu_us() < before + 30_000 && started.elapsed().as_secs() < 20 {
            sum = (0..100_000).fold(sum, |a, b| std::hint::black_box(a ^ b));
        }
        assert!(process_cpu_us() >= before + 30_000);
        let node_after = resource_use();
        assert!(node_after.node_busy_us > node_before.node_busy_us);
        assert!((1..=100).contains(&node_after.node_memory_percent));
    }
}
