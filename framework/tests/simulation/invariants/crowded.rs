//! Replicas: what belongs to one of them is done by that one alone.

use crate::{
    crowd::{Crowded, Stray, Tenure},
    history::{History, Violation, state, uid},
    script::Ending,
};

/// No handler is called for an object that is another replica's, and none that was lost comes to its end.
pub fn no_handler_without_lease(history: &History) -> Vec<Violation> {
    let strays = history.crowd.iter().flat_map(|crowd| &crowd.strays);
    let told = strays.filter_map(|stray| match stray {
        Stray::Called(what) => Some(format!("{what} is called")),
        Stray::Ended(what) => Some(format!("{what} has come to its end")),
        Stray::Sent(_) => None,
    });
    told.map(Violation).collect()
}

/// A replica sends no write for an object that is another one's, and once that one has written, none is taken that was on its
/// way.
pub fn deposed_writes_nothing(history: &History) -> Vec<Violation> {
    let Some(crowd) = &history.crowd else { return Vec::new() };
    let sent = crowd.strays.iter().filter_map(|stray| match stray {
        Stray::Sent(what) => Some(format!("sent without a lease: {what}")),
        _ => None,
    });
    let mut violations: Vec<_> = sent.map(Violation).collect();
    for of in history.uids() {
        violations.extend(taken_late(history, crowd, of));
    }
    violations
}

fn taken_late(history: &History, crowd: &Crowded, of: &str) -> Vec<Violation> {
    let tenures: Vec<&Tenure> = crowd.tenures.iter().filter(|tenure| tenure.has(of)).collect();
    let client = |tenure: &Tenure| crowd.seats.get(tenure.seat).map(|seat| &seat.client);
    let (mut violations, mut last) = (Vec::new(), None);
    for write in history.writes.iter().filter(|write| write.ours) {
        let Some(effect) = write.effect.as_ref().filter(|effect| uid(state(effect)) == of) else { continue };
        let now = tenures.iter().rposition(|tenure| tenure.begun.revision < effect.revision);
        let Some(now) = now else { continue };
        if client(tenures[now]) == Some(&write.request.client) {
            last = Some(now);
        } else if last == Some(now) {
            violations.push(Violation(format!("{of}: {} is taken at {}", write.request, effect.revision)));
        }
    }
    violations
}

/// Calls for one object overlap only where a replica was stopped in the middle of one: that one is dropped.
pub fn one_at_a_time(history: &History) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (at, call) in history.calls.iter().enumerate() {
        let later = history.calls[at + 1..].iter().take_while(|later| later.begun.turn < call.ended.turn);
        for other in later.filter(|other| other.body.uid() == call.body.uid()) {
            let is_within = other.id.starts_with(&format!("{}/", call.id)) && other.life == call.life;
            let was_stopped = other.life != call.life && call.ending == Ending::Interrupted;
            if !is_within && !was_stopped {
                let text = format!("{} and {} of {}", call.id, other.id, call.body.uid());
                violations.push(Violation(text));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crowd::Seat,
        invariants::sample::{Telling, UID, role, x},
        record::Moment,
        role::Cue,
        script::Ending::{Interrupted, Succeeded},
    };
    use korf::Reason::Create;

    fn crowd(strays: Vec<Stray>) -> Crowded {
        let seat = |client: &str| Seat { client: client.to_owned(), begun: Moment::default() };
        Crowded { seats: vec![seat("operator"), seat("operator-1")], tenures: Vec::new(), strays }
    }

    #[test]
    fn a_call_without_a_lease_is_found_and_so_is_one_that_isn_t_dropped() {
        let mut history = Telling::of([]).history();
        history.crowd = Some(crowd(vec![Stray::Called("c of a".into()), Stray::Ended("c of a".into())]));
        assert_eq!(
            (no_handler_without_lease(&history).len(), deposed_writes_nothing(&history).len()),
            (2, 0)
        );
    }

    #[test]
    fn a_request_without_a_lease_is_found() {
        let mut history = Telling::of([]).history();
        history.crowd = Some(crowd(vec![Stray::Sent("PATCH".into())]));
        assert_eq!(
            (no_handler_without_lease(&history).len(), deposed_writes_nothing(&history).len()),
            (0, 1)
        );
    }

    #[test]
    fn a_write_of_a_former_holder_is_found_that_is_taken_after_one_of_the_next_holder() {
        for (clients, found) in [
            (["operator", "operator-1"], 0),
            (["operator-1", "operator"], 1),
            (["operator-1", "operator-1"], 0),
        ] {
            let mut history = Telling::of([]).ours(x(2)).ours(x(3)).history();
            let ours = history.writes.iter_mut().filter(|write| write.ours);
            for (write, client) in ours.zip(clients) {
                write.request.client = client.into();
            }
            let first = history.writes.iter().position(|write| write.ours).expect("two are");
            let before = history.writes[first].effect.as_ref().expect("it is taken").revision - 1;
            let mut crowd = crowd(Vec::new());
            crowd.tenures = vec![
                Tenure::of(0, Moment::default()),
                Tenure::of(1, Moment { revision: before, ..Moment::default() }),
            ];
            history.crowd = Some(crowd);
            assert_eq!(deposed_writes_nothing(&history).len(), found, "{clients:?} of {UID}");
        }
    }

    #[test]
    fn calls_of_two_replicas_that_overlap_are_found_unless_the_first_one_was_dropped() {
        for (ending, lives, found) in
            [(Succeeded, [0, 1], 1), (Interrupted, [0, 1], 0), (Interrupted, [0, 0], 1)]
        {
            let told =
                Telling::of([role("c", Cue::Create)]).begin("c", Some(Create)).begin("d", Some(Create));
            let mut history = told.end(ending).end(Succeeded).history();
            for (call, life) in history.calls.iter_mut().zip(lives) {
                call.life = life;
            }
            assert_eq!(one_at_a_time(&history).len(), found, "{ending:?} {lives:?}");
        }
    }
}
