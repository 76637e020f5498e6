//! Commands packed by hand into the bytes that Redis reads: thousands of small arguments a batch, no allocation each.

use super::apply::Operation;

/// Several commands for one round trip.
#[derive(Debug, Default)]
pub(super) struct Pipeline {
    bytes: Vec<u8>,
    commands: usize,
}

impl Pipeline {
    /// Adds a command of text arguments.
    pub fn texts(&mut self, arguments: &[&str]) {
        self.command(arguments.len());
        for argument in arguments {
            self.bytes(argument.as_bytes());
        }
    }

    /// Starts a command of exactly `arguments` arguments, its name among them.
    pub fn command(&mut self, arguments: usize) {
        self.bytes.push(b'*');
        push_decimal(&mut self.bytes, false, arguments as u64);
        self.bytes.extend_from_slice(b"\r\n");
        self.commands += 1;
    }

    /// Adds an argument.
    pub fn bytes(&mut self, argument: &[u8]) {
        self.bytes.push(b'$');
        push_decimal(&mut self.bytes, false, argument.len() as u64);
        self.bytes.extend_from_slice(b"\r\n");
        self.bytes.extend_from_slice(argument);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Adds a number as an argument.
    pub fn number(&mut self, number: i64) {
        self.bulk_number(b"", number);
    }

    /// Adds `SET|INCRBY i64 #word number`, one operation of a BITFIELD command: four arguments.
    pub fn operation(&mut self, operation: Operation, word: u32, number: i64) {
        self.bytes.extend_from_slice(match operation {
            Operation::Set => b"$3\r\nSET\r\n$3\r\ni64\r\n",
            Operation::Increment => b"$6\r\nINCRBY\r\n$3\r\ni64\r\n",
        });
        self.bulk_number(b"#", i64::from(word));
        self.bulk_number(b"", number);
    }

    /// Number of commands.
    pub fn len(&self) -> usize {
        self.commands
    }

    /// The packed commands.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.commands = 0;
    }

    fn bulk_number(&mut self, prefix: &[u8], number: i64) {
        let magnitude = number.unsigned_abs();
        let length = prefix.len() + usize::from(number < 0) + digits(magnitude);
        self.bytes.push(b'$');
        push_decimal(&mut self.bytes, false, length as u64);
        self.bytes.extend_from_slice(b"\r\n");
        self.bytes.extend_from_slice(prefix);
        push_decimal(&mut self.bytes, number < 0, magnitude);
        self.bytes.extend_from_slice(b"\r\n");
    }
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

fn push_decimal(out: &mut Vec<u8>, negative: bool, mut number: u64) {
    if negative {
        out.push(b'-');
    }
    let mut text = [0u8; 20];
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_as_the_protocol_says() {
        let mut pipeline = Pipeline::default();
        pipeline.texts(&["GET", "ä"]);
        pipeline.command(3);
        pipeline.number(0);
        pipeline.number(i64::MIN);
        pipeline.number(i64::MAX);
        pipeline.command(4);
        pipeline.operation(Operation::Increment, 120, -45);
        pipeline.command(4);
        pipeline.operation(Operation::Set, 0, 7);
        assert_eq!(pipeline.len(), 4);
        let text = String::from_utf8_lossy(pipeline.as_bytes()).into_owned();
        assert_eq!(
            text,
            "*2\r\n$3\r\nGET\r\n$2\r\nä\r\n\
             *3\r\n$1\r\n0\r\n$20\r\n-9223372036854775808\r\n$19\r\n9223372036854775807\r\n\
             *4\r\n$6\r\nINCRBY\r\n$3\r\ni64\r\n$4\r\n#120\r\n$3\r\n-45\r\n\
             *4\r\n$3\r\nSET\r\n$3\r\ni64\r\n$2\r\n#0\r\n$1\r\n7\r\n"
        );
    }

    #[test]
    fn a_length_is_right_at_every_power_of_ten() {
        for power in 0..19 {
            let number = 10u64.pow(power);
            for value in [number - 1, number, number + 1] {
                assert_eq!(digits(value), value.to_string().len(), "{value}");
            }
        }
    }
}
