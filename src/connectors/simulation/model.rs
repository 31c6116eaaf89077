//! The model: what a service answers under a load, as a formula of its settings.
//!
//! Pure and without noise: the truth that an optimization of it can be judged by. A replica has `workers` servers, so
//! that the service is a queue with c = replicas × workers servers, Poisson arrivals and general service times, M/G/c.
//!
//! - **Service time.** A request waits `wait` for others and computes `work` on one core. Workers of a replica share
//!   its cores, so that each has `min(1, cpu / workers)` of one: E\[S\] = wait + work / share. The time of computing is
//!   taken as exponential, so that the squared coefficient of variation is cs² = (work / share)² / E\[S\]².
//! - **Probability of waiting.** Erlang's C formula, C(c, a) at the offered load a = λ E\[S\], by the recursion of
//!   Erlang's B formula (Gross, Shortle, Thompson and Harris, *Fundamentals of Queueing Theory*, 4th ed., 2.3 and 2.4).
//! - **Mean wait.** E\[W\] = C / (c/E\[S\] − λ) × (ca² + cs²) / 2, the correction of Allen and Cunneen (Allen,
//!   *Probability, Statistics, and Queueing Theory*, 2nd ed., 5.4), with ca² = 1 for Poisson arrivals.
//! - **Latency.** `wait`, the wait in the queue, and the time of computing. The wait of those who wait is taken as
//!   exponential, as in M/M/c, with the mean E\[W\] / C; its sum with the time of computing is hypoexponential.
//!   Percentiles are found by bisection.
//! - **Overload.** A full queue turns requests away, so that what is let in never exceeds 98% of the capacity. Who would
//!   wait longer than `timeout` gives up; both count as errors.
//! - **Memory.** The working set is `memory_base` plus `memory_per_worker` for each worker; where it does not fit, the
//!   kernel kills the service.

/// Share of the capacity that a full queue still lets in.
const FULL: f64 = 0.98;

/// Halvings until a percentile is exact to a double.
const BISECTIONS: usize = 60;

/// A service and its load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Service {
    /// Requests per second that arrive.
    pub load: f64,
    /// Seconds of computing on one core that a request needs.
    pub work: f64,
    /// Seconds that a request waits for others, such as a database.
    pub wait: f64,
    /// Seconds after which a request is given up.
    pub timeout: f64,
    /// GiB that every replica needs.
    pub memory_base: f64,
    /// GiB that every worker needs besides.
    pub memory_per_worker: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    pub cpu: f64,
    pub mem: f64,
    pub replicas: f64,
    /// Workers of a replica; a whole number.
    pub workers: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metrics {
    /// Requests per second that are answered.
    pub throughput: f64,
    /// The median latency, in milliseconds.
    pub p50_latency: f64,
    /// The latency that 99% of the requests keep, in milliseconds.
    pub p99_latency: f64,
    /// Percent of the requests that fail.
    pub error_rate: f64,
    /// Percent of the cores that are busy.
    pub cpu_utilization: f64,
    /// Percent of the memory that is in use.
    pub memory_utilization: f64,
}

impl Metrics {
    /// Their names, in the order of [`Self::values`].
    pub const NAMES: [&'static str; 6] =
        ["throughput", "p50_latency", "p99_latency", "error_rate", "cpu_utilization", "memory_utilization"];

    /// All values, in the order of [`Self::NAMES`].
    pub fn values(&self) -> [f64; 6] {
        [
            self.throughput,
            self.p50_latency,
            self.p99_latency,
            self.error_rate,
            self.cpu_utilization,
            self.memory_utilization,
        ]
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<f64> {
        Self::NAMES.iter().zip(self.values()).find(|(known, _)| **known == name).map(|(_, value)| value)
    }
}

/// Values from `min` to `max` in steps; a step of 0 means that there is only `min`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steps {
    pub min: f64,
    pub max: f64,
    pub step: f64,
}

impl Steps {
    /// The one value of something that must not change.
    pub fn only(value: f64) -> Self {
        Self { min: value, max: value, step: 0.0 }
    }

    pub fn values(self) -> impl Iterator<Item = f64> + Clone {
        let count = if self.step > 0.0 { ((self.max - self.min) / self.step).round() } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of steps, at least 0")]
        let count = count as u32;
        (0..=count).map(move |index| self.min + f64::from(index) * self.step)
    }
}

/// The values that each setting can have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranges {
    pub cpu: Steps,
    pub mem: Steps,
    pub replicas: Steps,
    pub workers: Steps,
}

impl Ranges {
    fn all(self) -> impl Iterator<Item = Settings> {
        self.replicas.values().flat_map(move |replicas| {
            self.workers.values().flat_map(move |workers| {
                self.cpu
                    .values()
                    .flat_map(move |cpu| self.mem.values().map(move |mem| Settings { cpu, mem, replicas, workers }))
            })
        })
    }
}

/// The best settings, and what they are worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Optimum {
    pub settings: Settings,
    pub metrics: Metrics,
    /// The value of the objective.
    pub objective: f64,
}

impl Service {
    /// GiB that a replica needs to live.
    pub fn working_set(&self, settings: &Settings) -> f64 {
        self.memory_base + self.memory_per_worker * settings.workers
    }

    /// What the service answers with these settings, without noise; `None` when it is killed for want of memory.
    pub fn truth(&self, settings: &Settings) -> Option<Metrics> {
        let working_set = self.working_set(settings);
        if working_set > settings.mem {
            return None;
        }
        let computing = self.work / (settings.cpu / settings.workers).min(1.0);
        let queue = Queue::new(self.load, self.wait, computing, settings.replicas * settings.workers);
        let beyond = |limit: f64| queue.beyond(limit - self.wait);
        let answered = queue.arrivals * (1.0 - beyond(self.timeout));
        Some(Metrics {
            throughput: answered,
            p50_latency: 1_000.0 * percentile(0.50, self.timeout, beyond),
            p99_latency: 1_000.0 * percentile(0.99, self.timeout, beyond),
            error_rate: 100.0 * (1.0 - answered / self.load),
            cpu_utilization: 100.0 * queue.arrivals * self.work / (settings.replicas * settings.cpu),
            memory_utilization: 100.0 * working_set / settings.mem,
        })
    }

    /// What is measured of a service that was killed: nothing is answered.
    pub fn dead(&self) -> Metrics {
        let latency = 1_000.0 * self.timeout;
        Metrics {
            throughput: 0.0,
            p50_latency: latency,
            p99_latency: latency,
            error_rate: 100.0,
            cpu_utilization: 0.0,
            memory_utilization: 100.0,
        }
    }

    /// The settings of the least objective among those that live and whose metrics hold what is asked, by trying all;
    /// `None` when none does.
    pub fn optimum(
        &self,
        ranges: Ranges,
        objective: impl Fn(&Settings, &Metrics) -> f64,
        holds: impl Fn(&Metrics) -> bool,
    ) -> Option<Optimum> {
        let living = ranges.all().filter_map(|settings| Some((settings, self.truth(&settings)?)));
        living
            .filter(|(_, metrics)| holds(metrics))
            .map(|(settings, metrics)| Optimum { settings, metrics, objective: objective(&settings, &metrics) })
            .reduce(|best, other| if other.objective < best.objective { other } else { best })
    }
}

struct Queue {
    /// Requests per second that are let in.
    arrivals: f64,
    computing: f64,
    waiting: f64,
    /// Rate at which the wait of those who wait ends, per second.
    release: f64,
}

impl Queue {
    fn new(load: f64, fixed: f64, computing: f64, servers: f64) -> Self {
        let service = fixed + computing;
        let capacity = servers / service;
        let arrivals = load.min(FULL * capacity);
        let variation = (computing / service).powi(2);
        let release = (capacity - arrivals) * 2.0 / (1.0 + variation);
        Self { arrivals, computing, waiting: erlang_c(servers, arrivals * service), release }
    }

    /// The share of those whose wait and computing together take longer than this many seconds.
    fn beyond(&self, seconds: f64) -> f64 {
        if seconds <= 0.0 {
            return 1.0;
        }
        let rate = self.computing.recip();
        let computing = (-rate * seconds).exp();
        let gap = self.release - rate;
        let both = if gap.abs() < 1e-9 * rate {
            // The limit of equal rates.
            (1.0 + rate * seconds) * computing
        } else {
            (self.release * computing - rate * (-self.release * seconds).exp()) / gap
        };
        ((1.0 - self.waiting) * computing + self.waiting * both).clamp(0.0, 1.0)
    }
}

/// The probability of waiting with `servers` at an offered load, which is less.
fn erlang_c(servers: f64, offered: f64) -> f64 {
    let mut blocked = 1.0;
    let mut count = 1.0;
    while count <= servers {
        blocked = offered * blocked / (count + offered * blocked);
        count += 1.0;
    }
    blocked / (1.0 - offered / servers * (1.0 - blocked))
}

/// The least number of seconds, at most `longest`, that only a share of 1 − q exceeds.
fn percentile(q: f64, longest: f64, beyond: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, longest);
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        if beyond(middle) > 1.0 - q {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: Service =
        Service { load: 100.0, work: 0.02, wait: 0.0, timeout: 5.0, memory_base: 0.25, memory_per_worker: 0.125 };

    fn settings(cpu: f64, mem: f64, replicas: f64, workers: f64) -> Settings {
        Settings { cpu, mem, replicas, workers }
    }

    fn truth(settings: &Settings) -> Metrics {
        SERVICE.truth(settings).expect("it lives")
    }

    fn check(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-3 * expected.abs(), "{found} is not {expected}");
    }

    #[test]
    fn erlang_c_is_as_tabled() {
        // One server waits with the probability of its utilization; the others are from tables of telephony.
        for (servers, offered, expected) in
            [(1.0, 0.8, 0.8), (2.0, 1.0, 1.0 / 3.0), (10.0, 7.0, 0.2217), (5.0, 4.0, 0.5541)]
        {
            check(erlang_c(servers, offered), expected);
        }
    }

    #[test]
    fn one_server_of_exponential_service_is_the_queue_of_textbooks() {
        // M/M/1: the latency is exponential of rate capacity − load.
        let service = Service { load: 40.0, ..SERVICE };
        let found = service.truth(&settings(1.0, 1.0, 1.0, 1.0)).expect("it lives");
        check(found.p50_latency, 1_000.0 * 2.0_f64.ln() / 10.0);
        check(found.p99_latency, 1_000.0 * 100.0_f64.ln() / 10.0);
        check(found.cpu_utilization, 80.0);
    }

    #[test]
    fn less_cpu_is_slower_and_overload_fails_requests() {
        let [ample, tight, short] = [4.0, 1.1, 0.5].map(|cpu| truth(&settings(cpu, 2.0, 2.0, 4.0)));
        assert!(ample.p99_latency < tight.p99_latency && tight.p99_latency < short.p99_latency);
        assert!(ample.error_rate < 0.01 && short.error_rate > 40.0, "{ample:?} {short:?}");
        check(short.throughput + SERVICE.load * short.error_rate / 100.0, SERVICE.load);
    }

    #[test]
    fn too_few_workers_saturate_however_many_cores_there_are() {
        let found = truth(&settings(4.0, 2.0, 1.0, 1.0));
        assert!(found.error_rate > 45.0 && found.cpu_utilization < 30.0, "{found:?}");
    }

    #[test]
    fn memory_below_the_working_set_kills() {
        assert!(SERVICE.truth(&settings(4.0, 1.25, 1.0, 8.0)).is_some());
        assert_eq!(SERVICE.truth(&settings(4.0, 1.24, 1.0, 8.0)), None);
    }

    #[test]
    fn the_optimum_is_the_cheapest_that_holds() {
        let steps = |min, max, step| Steps { min, max, step };
        let ranges = Ranges {
            cpu: steps(0.5, 4.0, 0.5),
            mem: steps(0.5, 2.0, 0.25),
            replicas: steps(1.0, 3.0, 1.0),
            workers: Steps::only(4.0),
        };
        let cost = |settings: &Settings, _: &Metrics| settings.replicas * (settings.cpu + settings.mem / 8.0);
        let best = SERVICE.optimum(ranges, cost, |metrics| metrics.p99_latency <= 150.0).expect("there is one");
        check(best.settings.mem, 0.75);
        assert!(best.metrics.p99_latency <= 150.0);
        assert_eq!(SERVICE.optimum(ranges, cost, |metrics| metrics.p99_latency <= 1.0), None);
    }
}
