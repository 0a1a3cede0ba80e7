//! Ends of objects, for which event handlers are called.

use crate::history::{History, Violation, uid, version};
use korf::extract::WatchEventType;

/// An event handler that knows an object is called for its end, once and not before, even if no watch has shown that.
pub fn of_the_end(history: &History) -> Vec<Violation> {
    let listeners = || history.world.roles.iter().filter(|role| role.handles_events());
    let is_there = |of: &str| history.objects.iter().any(|object| uid(object) == of);
    let mut violations = Vec::new();
    for of in history.uids() {
        let end = history.effects_on(of).map(|(_, effect)| effect).find(|effect| effect.after.is_none());
        for role in listeners() {
            let calls = || history.calls_for(of).filter(|call| call.id == role.id);
            let ends = || calls().filter(|call| call.event == Some(WatchEventType::Deleted));
            let mut wrong = |why: &str| violations.push(Violation(format!("{} of {of} {why}", role.id)));
            if ends().any(|call| end.is_none_or(|end| call.begun.revision < end.revision)) {
                wrong("is called for its end while it is there");
            }
            let life = history.lives.len() - 1;
            let told = ends().filter(|call| call.life == life).count();
            if told > 1 {
                wrong("is called for its end more than once");
            }
            let Some(first) = calls().find(|call| call.life == life) else { continue };
            let since = version(first.body.value());
            let mut states = history.states_of(of).filter(|(version, _)| *version >= since);
            // After a deletion that no watch has shown, only the labels are known.
            let is_for = role.annotation.is_none() && states.all(|(_, state)| role.marked(state));
            if told == 0 && is_for && !is_there(of) {
                wrong("is not called for its end");
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        invariants::sample::{Telling, role},
        role::{Cue, Want},
    };

    fn heard() -> Telling {
        Telling::of([role("e", Cue::Event)]).hear("e")
    }

    fn wrong(told: Telling) -> usize {
        of_the_end(&told.history()).len()
    }

    #[test]
    fn one_call_is_for_the_end() {
        assert_eq!(wrong(heard()), 0);
        assert_eq!(wrong(heard().let_go()), 1);
        assert_eq!(wrong(heard().let_go().hear_of_end("e")), 0);
        assert_eq!(wrong(heard().let_go().hear_of_end("e").hear_of_end("e")), 1);
    }

    #[test]
    fn an_object_that_is_there_has_no_end() {
        assert_eq!(wrong(heard().hear_of_end("e")), 1);
        assert_eq!(wrong(heard().hear_of_end("e").let_go()), 1);
    }

    #[test]
    fn an_end_between_two_lives_has_no_call() {
        assert_eq!(wrong(heard().let_go().restarted()), 0);
        assert_eq!(wrong(heard().restarted().hear("e").let_go()), 1);
    }

    #[test]
    fn an_event_handler_for_other_objects_is_not_missed() {
        let mut labelled = role("e", Cue::Event);
        labelled.label = Some(("tier", Want::Present));
        assert_eq!(wrong(Telling::of([labelled]).hear("e").let_go()), 0);
    }
}
