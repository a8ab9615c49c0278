//! `keystead.toml`.
#![no_main]

use keystead_server::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(config) = toml::from_str::<Config>(text) {
        let written = toml::to_string(&config).expect("a configuration can be written");
        assert_eq!(toml::from_str::<Config>(&written).expect("and read"), config);
    }
});
