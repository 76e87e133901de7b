//! Resource usage of the server's processes: CPU time and memory, from Linux.

use std::collections::HashMap;
use std::fs;

/// The server's processes: the started one and its children.
pub struct Processes(Vec<u32>);

/// CPU time at one point in time, in seconds.
pub struct Cpu {
    user: f64,
    system: f64,
    /// Nanoseconds of each thread, which are more precise than the clock ticks of the process.
    threads: HashMap<(u32, u32), u64>,
}

/// CPU time between two points in time, in seconds.
pub struct CpuTime {
    pub total: f64,
    pub user: f64,
    pub system: f64,
}

/// Linux reports the CPU time of processes in hundredths of a second, independent of the kernel's own clock.
const TICKS: f64 = 100.0;

impl Processes {
    pub fn of(root: u32) -> Self {
        let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
        let parents: Vec<(u32, u32)> = numbers
            .filter_map(|entry| {
                let pid = entry.file_name().to_str()?.parse().ok()?;
                Some((pid, fields(pid)?.get(1)?.parse().ok()?))
            })
            .collect();
        let mut pids = vec![root];
        let mut next = 0;
        while let Some(&parent) = pids.get(next) {
            pids.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
            next += 1;
        }
        Self(pids)
    }

    /// No process.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    pub fn cpu(&self) -> Cpu {
        let mut cpu = Cpu { user: 0.0, system: 0.0, threads: HashMap::new() };
        for &pid in &self.0 {
            let fields = fields(pid).unwrap_or_default();
            let seconds =
                |index: usize| fields.get(index).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
            cpu.user += seconds(11) / TICKS;
            cpu.system += seconds(12) / TICKS;
            for entry in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                let Some(thread) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                    continue;
                };
                let text = fs::read_to_string(entry.path().join("schedstat")).unwrap_or_default();
                if let Some(nanos) = text.split(' ').next().and_then(|nanos| nanos.parse().ok()) {
                    cpu.threads.insert((pid, thread), nanos);
                }
            }
        }
        cpu
    }

    /// Resident memory, in bytes.
    pub fn resident(&self) -> u64 {
        let kib = |pid: &u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        self.0.iter().filter_map(kib).sum::<u64>() * 1024
    }
}

impl Cpu {
    /// The CPU time since `before`. The counts of the threads are used unless a thread has ended in between.
    pub fn since(&self, before: &Self) -> CpuTime {
        let (user, system) = (self.user - before.user, self.system - before.system);
        let ticks = user + system;
        let all_there = before.threads.keys().all(|thread| self.threads.contains_key(thread));
        let total = if all_there && !self.threads.is_empty() {
            let nanos = |(thread, now): (&(u32, u32), &u64)| {
                now.saturating_sub(before.threads.get(thread).copied().unwrap_or(0))
            };
            self.threads.iter().map(nanos).sum::<u64>() as f64 / 1e9
        } else {
            ticks
        };
        let scale = if ticks > 0.0 { total / ticks } else { 0.0 };
        CpuTime { total, user: user * scale, system: system * scale }
    }
}

/// The fields of a process after its name.
fn fields(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split(' ').map(str::to_owned).collect())
}
