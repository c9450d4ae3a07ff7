package io.github.bioimgfiji.dialog;

import ij.ImagePlus;
import ij.WindowManager;
import java.awt.Container;
import java.awt.Dimension;
import java.awt.FontMetrics;
import java.awt.GridBagConstraints;
import java.awt.GridBagLayout;
import java.awt.List;
import java.awt.TextField;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;

/** A field in which any number of the open images are chosen, as titles with "|" between them. */
final class ImageList {
  private static final int MOST_ROWS = 6;
  private static final String ALL = "all";

  private final List list;
  private final java.util.List<String> names = new ArrayList<>();

  /**
   * Lists the open images.
   *
   * @param text what is chosen at first: titles or IDs, or "all"
   */
  ImageList(String text) {
    java.util.List<ImagePlus> images = open();
    list = new WideList(Math.max(2, Math.min(MOST_ROWS, images.size())));
    java.util.List<String> chosen = Arrays.asList(text.split("\\|"));
    for (ImagePlus image : images) {
      String name = name(image, images);
      names.add(name);
      list.add(name.equals(image.getTitle()) ? name : image.getTitle() + " (ID " + name + ")");
      if (text.equals(ALL) || chosen.contains(name)) {
        list.select(list.getItemCount() - 1);
      }
    }
  }

  /** Gives the chosen images' names with "|" between; "" where none is chosen. */
  String text() {
    java.util.List<String> chosen = new ArrayList<>();
    for (int index : list.getSelectedIndexes()) {
      chosen.add(names.get(index));
    }
    return String.join("|", chosen);
  }

  /** Takes the place of a text field: GenericDialog has no field of this kind. */
  void replace(TextField field) {
    Container dialog = field.getParent();
    GridBagConstraints place = ((GridBagLayout) dialog.getLayout()).getConstraints(field);
    dialog.remove(field);
    dialog.add(list, place);
  }

  /** A list that is as wide as its titles, within limits: Java's own cuts them off. */
  private static final class WideList extends List {
    private static final long serialVersionUID = 1L;
    private static final int NARROWEST = 160;
    private static final int WIDEST = 420;
    private static final int BORDER = 32;

    WideList(int rows) {
      super(rows, true);
    }

    @Override
    public Dimension getPreferredSize() {
      Dimension size = super.getPreferredSize();
      FontMetrics letters = getFontMetrics(getFont());
      int width = NARROWEST;
      for (String title : getItems()) {
        width = Math.max(width, letters.stringWidth(title) + BORDER);
      }
      return new Dimension(Math.min(width, WIDEST), size.height);
    }
  }

  private static java.util.List<ImagePlus> open() {
    int[] ids = WindowManager.getIDList();
    java.util.List<ImagePlus> images = new ArrayList<>();
    for (int id : ids == null ? new int[0] : ids) {
      images.add(WindowManager.getImage(id));
    }
    return images;
  }

  /** Gives an image's title, or its ID where the title does not tell which image it is. */
  static String name(ImagePlus image, java.util.List<ImagePlus> images) {
    java.util.List<String> titles = new ArrayList<>();
    images.forEach(each -> titles.add(each.getTitle()));
    String title = image.getTitle();
    boolean clear =
        Collections.frequency(titles, title) == 1
            && !title.contains("|")
            && !title.trim().equals(ALL);
    return clear ? title : String.valueOf(image.getID());
  }
}
