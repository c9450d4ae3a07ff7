package io.github.bioimgfiji.convert;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;

class PlaneMemoryTest {
  private static final int MANY = (1 << 20) + 7;

  @Test
  void copiesEveryPixelOfEveryPlane() {
    float[][] planes = new float[3][MANY];
    for (int p = 0; p < 3; p++) {
      for (int i = 0; i < MANY; i++) {
        planes[p][i] = p * 1000003f + i;
      }
    }
    ByteBuffer memory = ByteBuffer.allocateDirect(3 * MANY * 4).order(ByteOrder.nativeOrder());
    PlaneMemory.read(planes, 0, MANY, memory);
    assertEquals(planes[2][MANY - 1], memory.getFloat((3 * MANY - 1) * 4));
    Object[] made = PlaneMemory.make(3, MANY, "float32");
    PlaneMemory.write(memory, made, 0, MANY);
    for (int p = 0; p < 3; p++) {
      assertArrayEquals(planes[p], (float[]) made[p]);
    }
  }

  @Test
  void copiesPartsOfPlanes() {
    short[][] planes = {{1, 2, 3, 4}, {5, 6, 7, 8}};
    ByteBuffer memory = ByteBuffer.allocateDirect(8);
    PlaneMemory.read(planes, 1, 2, memory);
    Object[] made = PlaneMemory.make(2, 4, "uint16");
    PlaneMemory.write(memory, made, 2, 2);
    assertArrayEquals(new short[] {0, 0, 2, 3}, (short[]) made[0]);
    assertArrayEquals(new short[] {0, 0, 6, 7}, (short[]) made[1]);
  }

  @Test
  void refusesOtherTypes() {
    assertThrows(IllegalArgumentException.class, () -> PlaneMemory.make(1, 4, "float64"));
  }
}
