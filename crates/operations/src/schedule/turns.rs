//! Whose turn it is: keystores take turns, a key each, until what one look may take on is used up. Pure, so that fairness can be read and tested.

use std::collections::VecDeque;

/// Those who wait, in the order in which they take their turns.
#[derive(Debug)]
pub struct Turns<T> {
    waiting: VecDeque<T>,
    left: usize,
}

impl<T> Turns<T> {
    /// Everybody takes turns, beginning at `first` (counted round and round), for at most so many turns in all. Who is first should change from look to look:
    /// when there are fewer turns than keystores, nobody is always the last.
    pub fn new(waiting: impl IntoIterator<Item = T>, first: usize, turns: usize) -> Self {
        let mut waiting: VecDeque<T> = waiting.into_iter().collect();
        let first = first.checked_rem(waiting.len()).unwrap_or(0);
        waiting.rotate_left(first);
        Self { waiting, left: turns }
    }

    /// Who takes the next turn; `None` when nobody waits or no turn is left. Who wants another one queues again.
    pub fn next(&mut self) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        self.waiting.pop_front()
    }

    /// Queues behind everybody else.
    pub fn queue(&mut self, who: T) {
        self.waiting.push_back(who);
    }

    /// Whether somebody is left who had no turn.
    pub fn is_anybody_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a look: each name with as many keys as it has; answers who had a turn, in order.
    fn play(mut turns: Turns<(&'static str, u32)>) -> (String, bool) {
        let mut had = String::new();
        while let Some((name, keys)) = turns.next() {
            had.push_str(name);
            if keys > 1 {
                turns.queue((name, keys - 1));
            }
        }
        (had, turns.is_anybody_waiting())
    }

    #[test]
    fn six_hundred_keys_of_one_keystore_do_not_hold_up_the_one_of_another() {
        assert_eq!(play(Turns::new([("a", 600), ("b", 1)], 0, 6)), ("abaaaa".to_owned(), true));
        assert_eq!(play(Turns::new([("a", 600), ("b", 1)], 0, 2)), ("ab".to_owned(), true));
    }

    #[test]
    fn turns_are_shared_and_none_is_lost() {
        assert_eq!(play(Turns::new([("a", 2), ("b", 9), ("c", 1)], 0, 99)), ("abcabbbbbbbb".to_owned(), false));
        assert_eq!(play(Turns::new([("a", 9), ("b", 9), ("c", 9)], 0, 7)), ("abcabca".to_owned(), true));
    }

    #[test]
    fn each_can_be_the_first_and_nobody_is_no_harm() {
        assert_eq!(play(Turns::new([("a", 9), ("b", 9), ("c", 9)], 1, 3)).0, "bca");
        assert_eq!(play(Turns::new([("a", 9), ("b", 9), ("c", 9)], 3_000_000_002, 3)).0, "cab");
        assert_eq!(play(Turns::new([], 7, 3)), (String::new(), false));
        assert_eq!(play(Turns::new([("a", 1)], 0, 0)), (String::new(), true));
    }
}
