//! What is done to the operations that were found: copies begin where they can, and none is too short.

use super::Pair;
use crate::coder::{Op, Source};
use crate::encode::views::common_end;
use std::vec::Vec;

/// Shorter copies are spelled out.
const COPY_MIN: u32 = 4;

/// Begins copies earlier where what is before them is literal and the same.
pub(super) fn prolong(pair: &Pair<'_>, path: &mut [Op]) {
    let mut end = 0;
    for index in 1..path.len() {
        let [before, op] = &mut path[index - 1..=index] else { break };
        end += before.len as usize;
        if before.source != Source::Literal || op.source == Source::Literal {
            continue;
        }
        let from = if op.source == Source::Old { pair.old } else { pair.new };
        let literals = &pair.new[end - before.len as usize..end];
        let more = common_end(literals, &from[..op.from as usize]);
        before.len -= more as u32;
        op.from -= more as u32;
        op.len += more as u32;
        end -= more;
    }
}

/// Joins operations that continue one another and spells out copies that are too short.
pub(super) fn tidy(path: &[Op]) -> Vec<Op> {
    let mut joined: Vec<Op> = Vec::new();
    for op in path.iter().filter(|op| op.len > 0) {
        push(&mut joined, *op);
    }
    let mut plan: Vec<Op> = Vec::new();
    for op in joined {
        push(&mut plan, if op.len < COPY_MIN { Op::literal(op.len) } else { op });
    }
    plan
}

fn push(plan: &mut Vec<Op>, op: Op) {
    match plan.last_mut() {
        Some(last) if last.source == op.source && (op.source == Source::Literal || last.from + last.len == op.from) => {
            last.len += op.len;
        }
        _ => plan.push(op),
    }
}
