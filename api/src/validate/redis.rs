//! `spec.ledger.redis`: addresses of Redis, also those that come from a Secret.

use thiserror::Error;

use super::kafka::{check_address, check_host};

/// Most shards of a ledger.
const SHARDS_MAX: usize = 64;

/// Where the addresses of the ledger come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisSource {
    /// From the spec.
    Urls(RedisUrls),
    /// From a Secret in the LoadTest's namespace; parse what it holds with [`RedisUrls::parse`].
    Secret {
        /// Name of the Secret.
        name: String,
        /// Key within it.
        key: String,
    },
}

/// Addresses of one or several Redis, checked. May hold a password: it has no `Display`, and `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrls(Vec<String>);

/// Why an address is none. Never quotes the address, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RedisUrlError {
    /// Too many shards.
    #[error("holds more than {SHARDS_MAX} addresses")]
    LimitShards,
    /// Not `redis://`.
    #[error("address {0} must begin with redis:// (TLS is not supported)")]
    NameScheme(usize),
    /// The host or the port.
    #[error("address {0} {1}")]
    NameHost(usize, &'static str),
    /// The database.
    #[error("address {0} ends with a database that is not a number")]
    NameDatabase(usize),
}

impl RedisUrls {
    /// Checks addresses that are separated by commas; white space at either end (a Secret's line break) is dropped.
    ///
    /// # Errors
    /// What is wrong with which address, counted from 1.
    pub fn parse(text: &str) -> Result<Self, RedisUrlError> {
        let urls: Vec<String> = text.trim().split(',').map(str::to_owned).collect();
        if urls.len() > SHARDS_MAX {
            return Err(RedisUrlError::LimitShards);
        }
        for (index, url) in urls.iter().enumerate() {
            check(url, index + 1)?;
        }
        Ok(Self(urls))
    }

    /// The addresses, one a shard.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// The addresses as the load pods take them: separated by commas. May hold a password: never log it.
    pub fn joined(&self) -> String {
        self.0.join(",")
    }
}

impl std::fmt::Debug for RedisUrls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RedisUrls({} shards)", self.0.len())
    }
}

fn check(url: &str, number: usize) -> Result<(), RedisUrlError> {
    let rest = url.strip_prefix("redis://").ok_or(RedisUrlError::NameScheme(number))?;
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
    // Without a port it is Redis's own; the colons of an IPv6 address are within its brackets.
    let has_port = address
        .rsplit_once(']')
        .map_or(address, |(_, after)| after)
        .contains(':');
    let checked = if has_port {
        check_address(address)
    } else {
        check_host(address)
    };
    checked.map_err(|why| RedisUrlError::NameHost(number, why))?;
    match database.bytes().all(|b| b.is_ascii_digit()) && database.len() <= 4 {
        true => Ok(()),
        false => Err(RedisUrlError::NameDatabase(number)),
    }
}
