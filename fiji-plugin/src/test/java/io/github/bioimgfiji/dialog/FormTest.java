package io.github.bioimgfiji.dialog;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ij.Prefs;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.options.CommandSpec;
import java.awt.Color;
import java.awt.Component;
import java.awt.Container;
import java.util.Map;
import javax.swing.JLabel;
import javax.swing.JPasswordField;
import javax.swing.JTextField;
import javax.swing.JToggleButton;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class FormTest {
  private CommandSpec command;
  private Form form;
  private int resized;

  @BeforeEach
  void make() throws BackendException {
    command = SampleCommand.spec();
    form = new Form(command, ModelList.empty(), () -> resized++);
  }

  @AfterEach
  void forget() {
    new LastValues(command, false).forget();
  }

  private Input input(String key) {
    for (Row row : form.rows()) {
      if (row.input().parameter().key().equals(key)) {
        return row.input();
      }
    }
    throw new AssertionError(key);
  }

  private static Component named(Container container, String name) {
    for (Component part : container.getComponents()) {
      if (name.equals(part.getName())) {
        return part;
      }
      Component found = part instanceof Container ? named((Container) part, name) : null;
      if (found != null) {
        return found;
      }
    }
    return null;
  }

  private JLabel note(String key) {
    return (JLabel) named(form.panel(), "note " + key);
  }

  @Test
  void itBeginsWithTheDefaultsAndNothingIsRed() {
    Map<String, String> texts = form.texts();
    assertEquals("8", texts.get("size"));
    assertEquals("", texts.get("rate"));
    assertEquals("a", texts.get("way"));
    assertEquals("", texts.get("side"));
    assertEquals("false", texts.get("labels"));
    assertEquals("fox@1", texts.get("model"));
    assertEquals("", texts.get("output"));
    assertFalse(texts.containsKey("image")); // the active one is meant
    assertTrue(input("secret").target() instanceof JPasswordField);
    for (Row row : form.rows()) {
      assertFalse(note(row.input().parameter().key()).isVisible());
    }
  }

  @Test
  void aWrongValueTurnsRedAsItIsTypedAndBack() {
    JTextField field = (JTextField) input("size").target();
    Color usual = field.getBackground();
    field.setText("65");
    assertNotEquals(usual, field.getBackground());
    assertTrue(note("size").isVisible());
    assertTrue(note("size").getText().contains("Size must be at most 64"));
    assertTrue(resized > 0);
    field.setText("64");
    assertEquals(usual, field.getBackground());
    assertFalse(note("size").isVisible());
  }

  @Test
  void whatIsMissingIsToldOnlyWhenItIsWanted() {
    assertFalse(note("output").isVisible());
    assertSame(input("output"), form.firstWrong());
    assertTrue(note("output").isVisible());
    input("output").show("/tmp/out.zip");
    assertNull(form.firstWrong());
  }

  @Test
  void theExpertSectionUnfoldsByItsButtonAndWhereItHasAMistake() {
    assertTrue(form.isFolded());
    JToggleButton toggle = (JToggleButton) named(form.panel(), "expert");
    assertEquals(Form.SHOW, toggle.getText());
    toggle.doClick();
    assertFalse(form.isFolded());
    assertEquals(Form.HIDE, toggle.getText());
    toggle.doClick();
    assertTrue(form.isFolded());
    input("output").show("/tmp/out.zip");
    input("seed").show("-1");
    assertSame(input("seed"), form.firstWrong());
    assertFalse(form.isFolded());
  }

  @Test
  void theQuestionMarkShowsTheHelpAndHidesIt() {
    javax.swing.JButton mark = (javax.swing.JButton) named(form.panel(), "help size");
    mark.doClick();
    assertTrue(note("size").getText().contains("Key in macros: size."));
    assertTrue(note("size").isVisible());
    mark.doClick();
    assertFalse(note("size").isVisible());
  }

  @Test
  void lastValuesComeBackAndResetForgetsThem() {
    LastValues last = new LastValues(command, false);
    last.keep(input("size").parameter(), "12");
    last.keep(input("seed").parameter(), "5");
    last.keep(input("secret").parameter(), "hidden");
    last.keep(input("way").parameter(), "gone");
    assertEquals("12", Prefs.get("bioimg.dialog.sample.size", ""));
    assertEquals("", Prefs.get("bioimg.dialog.sample.secret", ""));
    form.show(last);
    assertEquals("12", form.texts().get("size"));
    assertEquals("a", form.texts().get("way")); // a choice that there is no more
    assertFalse(form.isFolded(), "an expert value that is not the default is seen");
    form.show(new LastValues(command, true));
    assertEquals("8", form.texts().get("size"), "a macro does not depend on what was typed");
    last.forget();
    form.reset();
    assertEquals("8", form.texts().get("size"));
    assertEquals("8", last.of(input("size").parameter()));
  }

  @Test
  void inAMacroNothingIsKept() {
    LastValues last = new LastValues(command, true);
    last.keep(input("size").parameter(), "12");
    assertEquals("", Prefs.get("bioimg.dialog.sample.size", ""));
  }

  @Test
  void aModelIsOneOfTheStoreOrAPath() {
    Input model = input("model");
    model.show("owl@2");
    assertEquals("owl@2", model.text());
    model.show("/models/own.zip");
    assertEquals("/models/own.zip", model.text());
    model.show("");
    assertEquals("fox@1", model.text());
  }

  @Test
  void theChooserTellsWhyAModelDoesNotFit() {
    String json =
        "{\"models\": [{\"name\": \"fox@1\", \"title\": \"Fox\", \"task\": \"denoising\","
            + " \"axes\": \"zyx\", \"fits\": false, \"why\": \"Fox needs the axis 'z'.\"},"
            + " {\"name\": \"owl@2\", \"title\": \"Owl\", \"task\": \"\", \"axes\": \"yx\","
            + " \"fits\": true, \"why\": \"\"}]}";
    ModelList models = ModelList.read(json, "cells.tif");
    assertEquals("fox@1 - denoising, axes zyx (does not fit)", models.line("fox@1"));
    assertEquals(
        "Fox: denoising, axes zyx. It does not fit cells.tif: Fox needs the axis 'z'.",
        models.description("fox@1"));
    assertEquals("Owl: axes yx. It fits cells.tif.", models.description("owl@2"));
    assertEquals("elk@3", models.line("elk@3"));
    form.know(models);
    assertEquals("fox@1", form.texts().get("model"), "knowing more chooses nothing");
  }
}
