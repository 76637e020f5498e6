//! CPU time of this process, from `/proc/self/stat`.

use std::fs;

/// Microseconds of one clock tick in `/proc`: `USER_HZ` is 100 on every Linux architecture in use.
const TICK_US: u64 = 10_000;

/// CPU time (user and system) of this process in microseconds, in steps of 10 ms; 0 where `/proc` is not there.
pub fn process_cpu_us() -> u64 {
    fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|stat| parse(&stat))
        .unwrap_or(0)
}

/// `utime` and `stime` are fields 14 and 15; field 2, the name in brackets, may itself hold spaces and brackets.
fn parse(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * TICK_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_found_behind_any_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0";
        for name in ["loadgen", "a b", "x) S 1 ("] {
            assert_eq!(parse(&format!("77 ({name}) {rest}")), Some(3_000_000), "{name}");
        }
        assert_eq!(parse("77 (short) S 1"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn work_shows_in_the_cpu_time() {
        let before = process_cpu_us();
        let started = std::time::Instant::now();
        let mut sum = 0_u64;
        while process_cpu_us() < before + 30_000 && started.elapsed().as_secs() < 20 {
            sum = (0..100_000).fold(sum, |a, b| std::hint::black_box(a ^ b));
        }
        assert!(process_cpu_us() >= before + 30_000);
    }
}
