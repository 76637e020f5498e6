//! The wire form of events and keys.

use eoslab_core::{DecodeError, Event, HEADER_LEN, Key};
use proptest::prelude::*;

#[test]
fn the_header_is_four_little_endian_words() {
    let event = Event {
        account_id: 0x0807_0605_0403_0201,
        amount: -2,
        ts_us: 3,
        seq: u64::MAX - 1,
    };
    let mut payload = [0xaa; HEADER_LEN + 2];
    event.encode(&mut payload);
    let expected = [
        [1, 2, 3, 4, 5, 6, 7, 8],
        [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        [3, 0, 0, 0, 0, 0, 0, 0],
        [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ];
    assert_eq!(payload[..HEADER_LEN], *expected.as_flattened());
    assert_eq!(payload[HEADER_LEN..], [0xaa, 0xaa], "padding is left alone");
}

#[test]
fn keys_are_eight_or_ten_bytes() {
    assert_eq!(Key::new(258, None).as_bytes(), [2, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(Key::new(258, Some(259)).as_bytes(), [2, 1, 0, 0, 0, 0, 0, 0, 3, 1]);
    assert_ne!(
        Key::new(1, None),
        Key::new(1, Some(0)),
        "salt 0 is not the absence of a salt"
    );
}

#[test]
fn errors_name_the_length_and_have_a_label() {
    let short = Event::decode(&[0; 31]).expect_err("31 bytes hold no header");
    assert_eq!(short, DecodeError::PayloadTooShort { len: 31 });
    assert_eq!(
        short.to_string(),
        "payload of 31 bytes is shorter than the header of 32 bytes"
    );
    assert_eq!(short.label(), "payload_too_short");
    let key = Key::decode(&[0; 9]).expect_err("9 bytes are no key");
    assert_eq!(key, DecodeError::KeyLength { len: 9 });
    assert_eq!(
        key.to_string(),
        "key of 9 bytes is neither 8 (account) nor 10 (account and salt)"
    );
    assert_eq!(key.label(), "key_length");
}

fn events() -> impl Strategy<Value = Event> {
    any::<(u64, i64, i64, u64)>().prop_map(|(account_id, amount, ts_us, seq)| Event {
        account_id,
        amount,
        ts_us,
        seq,
    })
}

proptest! {
    #[test]
    fn events_survive_the_wire(event in events(), padding in 0..300usize) {
        let mut payload = vec![0x5a; HEADER_LEN + padding];
        event.encode(&mut payload);
        prop_assert_eq!(Event::decode(&payload), Ok(event));
    }

    #[test]
    fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        prop_assert_eq!(Event::decode(&bytes).is_ok(), bytes.len() >= HEADER_LEN);
        match Key::decode(&bytes) {
            Ok((account, salt)) => {
                let key = Key::new(account, salt);
                prop_assert_eq!(key.as_bytes(), &bytes[..]);
            }
            Err(error) => {
                prop_assert_eq!(error, DecodeError::KeyLength { len: bytes.len() });
                prop_assert!(bytes.len() != 8 && bytes.len() != 10);
            }
        }
    }

    #[test]
    fn keys_survive_the_wire(account: u64, salt: Option<u16>) {
        prop_assert_eq!(Key::decode(Key::new(account, salt).as_bytes()), Ok((account, salt)));
    }
}
