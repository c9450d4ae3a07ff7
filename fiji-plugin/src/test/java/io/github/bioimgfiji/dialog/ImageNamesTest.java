package io.github.bioimgfiji.dialog;

import static org.junit.jupiter.api.Assertions.assertEquals;

import ij.ImagePlus;
import ij.process.ByteProcessor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class ImageNamesTest {
  @Test
  void anImageWhoseTitleDoesNotTellWhichItIsHasItsIdAsName() {
    List<ImagePlus> images = new ArrayList<>();
    for (String title : Arrays.asList("a b.tif", "c.tif", "c.tif", "d|e.tif", "all")) {
      images.add(new ImagePlus(title, new ByteProcessor(2, 2)));
    }
    List<String> names = new ArrayList<>();
    images.forEach(image -> names.add(ImageNames.name(image, images)));
    List<String> expected = new ArrayList<>();
    expected.add("a b.tif");
    for (ImagePlus image : images.subList(1, 5)) {
      expected.add(String.valueOf(image.getID()));
    }
    assertEquals(expected, names);
    List<String> seen = new ArrayList<>(ImageNames.labels(images).values());
    assertEquals("a b.tif", seen.get(0));
    assertEquals("c.tif (ID " + expected.get(1) + ")", seen.get(1));
    assertEquals("c.tif (ID " + expected.get(2) + ")", seen.get(2));
  }
}
