import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HexFormat;
import java.util.Random;
import org.apache.kafka.common.utils.Utils;

/** Prints what the Java client makes of keys: `key in hex,murmur2,partition of 1,of 7,of 12,of 4096`. */
public final class Murmur2Vectors {
    private static final int[] PARTITIONS = {1, 7, 12, 4096};

    public static void main(String[] args) {
        Random random = new Random(1);
        for (int length = 0; length <= 32; length++) {
            for (int i = 0; i < 4; i++) {
                byte[] key = new byte[length];
                random.nextBytes(key);
                print(key);
            }
        }
        for (long account = 1; account <= 100; account++) {
            print(key(account, -1));
        }
        for (long account = 101; account <= 100_000_000; account = account * 5 / 4) {
            print(key(account, -1));
        }
        print(key(-1L, -1));
        for (int salt : new int[] {0, 1, 2, 127, 128, 255, 256, 65_535}) {
            for (long account : new long[] {1, 2, 3, 100, 10_000}) {
                print(key(account, salt));
            }
        }
    }

    private static byte[] key(long account, int salt) {
        ByteBuffer key = ByteBuffer.allocate(salt < 0 ? 8 : 10).order(ByteOrder.LITTLE_ENDIAN).putLong(account);
        return (salt < 0 ? key : key.putShort((short) salt)).array();
    }

    private static void print(byte[] key) {
        int hash = Utils.murmur2(key);
        StringBuilder line = new StringBuilder(HexFormat.of().formatHex(key)).append(',').append(hash);
        for (int partitions : PARTITIONS) {
            line.append(',').append(Utils.toPositive(hash) % partitions);
        }
        System.out.println(line);
    }
}
