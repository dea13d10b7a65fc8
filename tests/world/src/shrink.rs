//! Makes a failing plan smaller while it still fails in the same way.

use crate::{
    plan::Plan,
    world::{self, Outcome},
};

/// Takes steps away in ever smaller blocks (delta debugging, Zeller 1999) as long as the same invariant breaks.
pub fn shrink(plan: &Plan) -> Plan {
    shrink_by(plan, world::run)
}

/// The same, for another way to run a plan.
pub fn shrink_by(plan: &Plan, run: impl Fn(&Plan) -> Outcome) -> Plan {
    let fails = |plan: &Plan| run(plan).violations.first().map(|violation| violation.invariant);
    let mut best = plan.clone();
    let Some(invariant) = fails(&best) else { return best };
    let mut block = best.steps.len().div_ceil(2).max(1);
    loop {
        let mut from = 0;
        let mut shorter = false;
        while from < best.steps.len() {
            let mut candidate = best.clone();
            candidate.steps.drain(from..(from + block).min(candidate.steps.len()));
            if fails(&candidate) == Some(invariant) {
                best = candidate;
                shorter = true;
            } else {
                from += block;
            }
        }
        if block == 1 && !shorter {
            return best;
        }
        block = block.div_ceil(2).max(1);
        if block == 1 && best.steps.is_empty() {
            return best;
        }
    }
}
