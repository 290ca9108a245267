//! The entry points of the fuzz targets on mutated recordings: what a fuzzer would do for hours, for as many cases as `FAULTLINE_CASES` says.

#[expect(unreachable_pub, reason = "it is the library of the fuzz targets")]
#[path = "../fuzz/src/lib.rs"]
mod readers;

/// The seeds of the fuzz targets.
const SEEDS: [&str; 7] = [
    include_str!("../fuzz/seeds/any_form/line.jsonl"),
    include_str!("../fuzz/seeds/any_form/array.json"),
    include_str!("../fuzz/seeds/any_form/maps.edn"),
    include_str!("../fuzz/seeds/any_form/records.edn"),
    include_str!("../fuzz/seeds/any_form/tuples.edn"),
    include_str!("../fuzz/seeds/any_form/log.txt"),
    include_str!("../fuzz/seeds/any_form/keyed.edn"),
];

/// What means something to one of the readers.
const PIECES: [&str; 34] = [
    "\"",
    "\\",
    "\\u",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    "#{",
    "#_",
    "#a",
    "##",
    "^",
    ";",
    ":",
    ",",
    "\n",
    " ",
    "\t",
    "-",
    ".",
    "e",
    "/",
    "N",
    "0",
    "12345678901234567890",
    "nil",
    "null",
    "true",
    "\u{e9}",
    "nemesis",
    "INFO  jepsen.util - ",
    "7",
];

/// A generator of Marsaglia's ("Xorshift RNGs", 2003): small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn mutant(&mut self) -> Vec<u8> {
        let mut bytes = SEEDS[self.below(SEEDS.len())].as_bytes().to_vec();
        for _ in 0..self.below(4) {
            let place = self.below(bytes.len() + 1);
            let end = (place + self.below(6)).min(bytes.len());
            match self.below(4) {
                0 => drop(bytes.drain(place..end)),
                1 => bytes.truncate(place),
                2 => drop(bytes.splice(place..end, [self.below(256) as u8])),
                _ => drop(bytes.splice(place..end, PIECES[self.below(PIECES.len())].bytes())),
            }
        }
        bytes
    }
}

fn cases() -> u64 {
    std::env::var("FAULTLINE_CASES").map_or(2_000, |cases| cases.parse().unwrap())
}

#[test]
fn no_mutant_of_a_recording_makes_a_reader_panic_or_disagree() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..cases() {
        let bytes = random.mutant();
        readers::any_form(&bytes);
        for (start, entry) in [
            (r#"{""#, readers::json_lines as fn(&[u8])),
            (r#"[{""#, readers::json_array),
            ("{:", readers::edn),
            ("INFO  jepsen.util - ", readers::jepsen_log),
        ] {
            if let Some(rest) = bytes.strip_prefix(start.as_bytes()) {
                entry(rest);
            }
        }
    }
}

#[test]
fn no_damage_to_a_packed_recording_makes_a_reader_panic() {
    let mut random = Random(7);
    for case in 0..cases() / 4 {
        let compression =
            [checker::history::Compression::Gzip, checker::history::Compression::Zstd]
                [case as usize % 2];
        let mut out = checker::history::Compressor::new(Vec::new(), compression);
        std::io::Write::write_all(&mut out, SEEDS[0].as_bytes()).unwrap();
        let mut packed = out.finish().unwrap();
        let place = random.below(packed.len());
        packed[place] = random.below(256) as u8;
        packed.truncate(packed.len() - random.below(3));
        let magic = if compression == checker::history::Compression::Gzip { 3 } else { 4 };
        readers::packed(&packed[magic.min(packed.len())..]);
    }
}
