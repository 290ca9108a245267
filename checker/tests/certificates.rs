//! Certificates: those of the real check are accepted and all their mutations refused; and for every model a right and a wrong proof made by hand.

mod certificates {
    mod anomalies;
    mod cores;
    mod files;
    mod orders;
    mod random_objects;
    mod random_registers;
    mod support;
    mod transactions;
}
