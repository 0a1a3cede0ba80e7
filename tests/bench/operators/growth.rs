//! Growth: what more objects, or more tables of others, cost.

use super::{
    Error, Options,
    contender::Contender,
    document::Document,
    plot::{Line, Plot},
    report::{Table, at, float, goal_cell, ratio_cell},
    sandbox,
    stage::{Stage, Tables},
};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// The contenders that are compared here; the others would take hours.
const COMPARED: [Contender; 2] = [Contender::Korf, Contender::ByHand];

/// Backlogs of growing size.
pub async fn backlogs(options: &Options, document: &Document) -> Result<String, Error> {
    let mut table = Table::new([
        "objects",
        "this operator: seconds",
        "by hand",
        "ratio",
        "most memory, MiB",
        "by hand",
        "ratio",
        "ms an object, to those of the first row",
    ]);
    let (mut first, mut memories) = (None, COMPARED.map(|contender| Line::new(contender.name())));
    for &count in &options.backlogs {
        let mut measured = Vec::new();
        for (at, contender) in COMPARED.into_iter().enumerate() {
            eprintln!("a backlog of {count}: {}", contender.name());
            let sandbox = sandbox().await?;
            let stage = Stage::new(&sandbox, contender, 0).await?;
            stage.create_all(0..count).await?;
            let begun = Instant::now();
            let mut process = stage.start()?;
            stage.tables(&mut process, 0..count, Tables::There).await?;
            let seconds = begun.elapsed().as_secs_f64();
            stage.rest(&process).await;
            let memory = process.peak_memory() / 1024.0;
            memories[at].points.push((float(count), memory));
            measured.push((seconds, memory));
        }
        let [(ours, our_memory), (theirs, their_memory)] = measured[..] else { continue };
        let each = ours / float(count);
        let growth = each / *first.get_or_insert(each);
        table.add([
            &count.to_string(),
            &format!("{ours:.2}"),
            &format!("{theirs:.2}"),
            &ratio_cell(Some(ours / theirs)),
            &format!("{our_memory:.1}"),
            &format!("{their_memory:.1}"),
            &ratio_cell(Some(our_memory / their_memory)),
            &format!("{:.2} ({growth:.2}; {})", each * 1000.0, goal_cell(Some(growth), Some(1.1))),
        ]);
    }
    let plot = Plot { title: "Most memory in a backlog", x: "objects", y: "MiB", lines: memories.to_vec() };
    Ok(format!("{}\n{}", table.0, document.plot("backlog-memory", &plot)?))
}

/// Creations beside the tables of other objects.
pub async fn tables(options: &Options) -> Result<String, Error> {
    const CREATED: usize = 300;
    let mut table = Table::new([
        "other tables",
        "300 creations: seconds",
        "CPU seconds of PostgreSQL",
        "to the first row",
    ]);
    let mut first = None;
    for &count in &options.tables {
        eprintln!("{CREATED} creations beside {count} tables");
        let sandbox = sandbox().await?;
        let stage = Stage::new(&sandbox, Contender::Korf, 0).await?;
        stage.prefill(count).await?;
        let mut process = stage.start()?;
        // The first creation reads what there is.
        stage.create_all(0..10).await?;
        stage.tables(&mut process, 0..10, Tables::There).await?;
        let mut times = Vec::new();
        let mut created = 10;
        let before = super::servers::ServersCpu::now();
        for _ in 0..3 {
            let begun = Instant::now();
            let wanted = created..created + CREATED;
            let (made, seen) =
                (stage.create_all(wanted.clone()), stage.tables(&mut process, wanted, Tables::There));
            futures::future::try_join(made, seen).await?;
            times.push(begun.elapsed().as_secs_f64());
            created += CREATED;
        }
        let cpu = super::servers::ServersCpu::now().since(before).postgres.as_secs_f64();
        times.sort_by(f64::total_cmp);
        let median = at(&times, 0.5);
        let ratio = median / *first.get_or_insert(median);
        table.add([
            &count.to_string(),
            &format!("{median:.2} ({:.2} to {:.2})", times[0], times[2]),
            &format!("{cpu:.2}"),
            &format!("{} ({})", ratio_cell(Some(ratio)), goal_cell(Some(ratio), Some(1.1))),
        ]);
    }
    Ok(table.0)
}

/// Restarts with objects that are handled already.
pub async fn restarts(options: &Options, document: &Document) -> Result<String, Error> {
    let mut table = Table::new([
        "objects, all handled",
        "",
        "seconds until all are known",
        "CPU seconds",
        "… µs an object",
        "memory at rest, MiB",
        "… bytes an object more",
        "writes",
        "a change 0.2 s after the start: ms",
    ]);
    let mut memories = COMPARED.map(|contender| Line::new(contender.name()));
    let mut times = COMPARED.map(|contender| Line::new(contender.name()));
    let mut smallest = [None; 2];
    for &count in &options.restarts {
        for (at, contender) in COMPARED.into_iter().enumerate() {
            eprintln!("a restart with {count} objects: {}", contender.name());
            let restart = restart(contender, count).await?;
            let Restart { ready, cpu, memory, writes, change } = restart;
            let (few, base) = *smallest[at].get_or_insert((count, memory));
            let more =
                if count > few { (memory - base) * 1_048_576.0 / float(count - few) } else { f64::NAN };
            memories[at].points.push((float(count), memory));
            times[at].points.push((float(count), ready));
            table.add([
                &count.to_string(),
                contender.name(),
                &format!("{ready:.1}"),
                &format!("{cpu:.2}"),
                &format!("{:.0}", cpu * 1e6 / float(count)),
                &format!("{memory:.1}"),
                &if more.is_nan() { String::new() } else { format!("{more:.0}") },
                &writes.to_string(),
                &format!("{change:.0}"),
            ]);
        }
    }
    let memory = Plot { title: "Memory at rest", x: "objects", y: "MiB", lines: memories.to_vec() };
    let time = Plot {
        title: "Restart until all objects are known",
        x: "objects",
        y: "seconds",
        lines: times.to_vec(),
    };
    let (memory, time) = (document.plot("restart-memory", &memory)?, document.plot("restart-time", &time)?);
    Ok(format!("{}\n{memory}\n{time}", table.0))
}

struct Restart {
    ready: f64,
    cpu: f64,
    memory: f64,
    writes: u64,
    change: f64,
}

async fn restart(contender: Contender, count: usize) -> Result<Restart, Error> {
    const STEP: Duration = Duration::from_millis(100);
    let sandbox = sandbox().await?;
    let stage = Stage::new(&sandbox, contender, 0).await?;
    let last = count - 1;
    stage.make_handled(count).await?;
    let patches = async || {
        let counts = sandbox.control_plane.request_counts("databasetables.kopf.demo").await?;
        let writes =
            counts.iter().filter(|((verb, _), _)| ["PATCH", "PUT", "APPLY"].contains(&verb.as_str()));
        Ok::<u64, Error>(writes.map(|(_, count)| count).sum())
    };
    let (before, begun) = (patches().await?, Instant::now());
    let process = stage.start()?;
    let (mut ready, mut cpu, mut quiet) = (0.0, Duration::ZERO, 0);
    while quiet < 15 {
        sleep(STEP).await;
        let now = process.cpu();
        // All processors of this machine have ticks of 10 ms.
        if now.saturating_sub(cpu) > Duration::from_millis(10) {
            (ready, quiet) = (begun.elapsed().as_secs_f64(), 0);
        } else {
            quiet += 1;
        }
        cpu = now;
    }
    let writes = patches().await? - before;
    let (cpu, memory) = (process.cpu().as_secs_f64(), process.memory() / 1024.0);
    drop(process);
    // Once more, with a change while it lists.
    let process = stage.start()?;
    sleep(Duration::from_millis(200)).await;
    let change = stage.change_one(last).await?.as_secs_f64() * 1000.0;
    drop(process);
    Ok(Restart { ready, cpu, memory, writes, change })
}
