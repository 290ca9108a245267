//! Transactions: Elle's own cases, an exhaustive oracle on small random histories, and what a person is shown.

mod transactions {
    mod elle;
    mod oracle;
    mod shown;
    mod support;
}
