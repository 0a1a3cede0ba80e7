//! Turns: what is under way in the background, and what waits for it; pure.
//!
//! A database may have half of the places that others leave, but one at least, as it is with connections. So what doesn't get on in
//! one of them, because an old transaction stands in its way, say, leaves places to the others.

use std::collections::VecDeque;

/// The works of one database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane(pub(super) u64);

/// A piece of work in a lane, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) lane: Lane,
    pub(super) number: u64,
}

/// What is under way, and what waits, each with what calls it.
#[derive(Debug)]
pub(super) struct Turns<C> {
    most: usize,
    under_way: Vec<Piece>,
    waiting: VecDeque<(Piece, C)>,
}

/// What a piece of work waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// What is under way in its own lane.
    pub(super) own: Vec<u64>,
    /// Whether others have places, too.
    pub(super) has_others: bool,
}

impl<C> Turns<C> {
    /// Places for so many pieces at a time.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), under_way: Vec::new(), waiting: VecDeque::new() }
    }

    /// A piece comes: it has its turn at once, or waits behind others until it is called.
    pub(super) fn enter(&mut self, piece: Piece, call: C) -> bool {
        let begins = self.may_begin(piece.lane);
        match begins {
            true => self.under_way.push(piece),
            false => self.waiting.push_back((piece, call)),
        }
        begins
    }

    /// A piece is over, or was given up. Returns the calls of those that have their turn now.
    pub(super) fn leave(&mut self, piece: Piece) -> Vec<C> {
        self.under_way.retain(|under_way| *under_way != piece);
        self.waiting.retain(|(waiting, _)| *waiting != piece);
        let mut calls = Vec::new();
        while let Some(next) = self.waiting.iter().position(|(waiting, _)| self.may_begin(waiting.lane)) {
            let Some((piece, call)) = self.waiting.remove(next) else { break };
            self.under_way.push(piece);
            calls.push(call);
        }
        calls
    }

    /// What a piece waits for; `None` if it has its turn.
    pub(super) fn wait_of(&self, piece: Piece) -> Option<Wait> {
        self.waiting.iter().find(|(waiting, _)| *waiting == piece)?;
        let (own, others): (Vec<&Piece>, Vec<_>) =
            self.under_way.iter().partition(|under_way| under_way.lane == piece.lane);
        Some(Wait { own: own.iter().map(|piece| piece.number).collect(), has_others: !others.is_empty() })
    }

    fn may_begin(&self, lane: Lane) -> bool {
        let own = self.under_way.iter().filter(|piece| piece.lane == lane).count();
        let all = self.under_way.len();
        let share = (self.most.saturating_sub(all - own) / 2).max(1);
        all < self.most && own < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(lane: u64, number: u64) -> Piece {
        Piece { lane: Lane(lane), number }
    }

    /// Lets pieces of these lanes come, and returns for each whether it begins.
    fn entered(turns: &mut Turns<u64>, lanes: &[u64]) -> Vec<bool> {
        let pieces = lanes.iter().zip(1..).map(|(lane, number)| (piece(*lane, number), number));
        pieces.map(|(piece, number)| turns.enter(piece, number)).collect()
    }

    #[test]
    fn a_database_has_half_of_the_places_that_others_leave_and_one_at_least() {
        let (yes, no) = (true, false);
        for (most, lanes, expected) in [
            (0, &[1, 1][..], &[yes, no][..]),
            (1, &[1, 1, 2], &[yes, no, no]),
            (2, &[1, 1, 2, 3], &[yes, no, yes, no]),
            (4, &[1, 1, 1, 1], &[yes, yes, no, no]),
            (4, &[1, 1, 1, 2, 2, 3, 4], &[yes, yes, no, yes, no, yes, no]),
            (4, &[1, 2, 3, 4, 5, 1], &[yes, yes, yes, yes, no, no]),
            (8, &[1, 1, 1, 1, 1, 2, 2, 2, 3, 4, 5], &[yes, yes, yes, yes, no, yes, yes, no, yes, yes, no]),
        ] {
            assert_eq!(entered(&mut Turns::new(most), lanes), expected, "{most} {lanes:?}");
        }
    }

    #[test]
    fn who_came_first_is_called_first_unless_its_database_has_enough() {
        let mut turns = Turns::new(2);
        assert_eq!(entered(&mut turns, &[1, 1, 1, 2, 2, 3]), [true, false, false, true, false, false]);
        assert_eq!(
            turns.wait_of(piece(1, 3)),
            Some(Wait { own: vec![1], has_others: true }),
            "it waits for its own database"
        );
        assert_eq!(turns.wait_of(piece(3, 6)), Some(Wait { own: vec![], has_others: true }));
        assert_eq!(turns.wait_of(piece(1, 1)), None);
        assert_eq!(turns.leave(piece(1, 2)), [0; 0], "one that waits is given up");
        assert_eq!(turns.leave(piece(1, 1)), [3]);
        assert_eq!(turns.leave(piece(1, 3)), [6], "the other one of the second database waits for its first");
        assert_eq!(turns.leave(piece(2, 4)), [5]);
        assert_eq!(turns.leave(piece(2, 5)), [0; 0]);
        assert_eq!(turns.leave(piece(3, 6)), [0; 0]);
        assert!(turns.under_way.is_empty() && turns.waiting.is_empty());
    }
}
