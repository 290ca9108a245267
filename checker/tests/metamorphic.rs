//! What must not change a verdict, for every model: histories of simulated objects, changed in ways that keep them right or keep them wrong.
//!
//! No oracle is needed, so the histories are longer than an oracle could judge. `FAULTLINE_CASES` says how many for each model.

mod metamorphic {
    mod changes;
    mod objects;
    mod operations;
    mod random;
    mod verdicts;
}
