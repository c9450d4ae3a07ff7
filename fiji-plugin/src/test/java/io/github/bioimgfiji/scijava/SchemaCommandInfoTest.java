package io.github.bioimgfiji.scijava;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import ij.IJ;
import ij.ImagePlus;
import io.github.bioimgfiji.backend.Backend;
import io.github.bioimgfiji.backend.BackendException;
import io.github.bioimgfiji.backend.Backends;
import io.github.bioimgfiji.backend.Monitor;
import io.github.bioimgfiji.backend.Outcome;
import io.github.bioimgfiji.json.Json;
import io.github.bioimgfiji.options.KnownCommands;
import java.awt.EventQueue;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.scijava.Context;
import org.scijava.command.CommandModule;
import org.scijava.command.CommandService;
import org.scijava.module.Module;
import org.scijava.module.ModuleInfo;
import org.scijava.module.ModuleItem;
import org.scijava.module.ModuleService;
import org.scijava.module.process.PreprocessorPlugin;
import org.scijava.plugin.DefaultPluginFinder;
import org.scijava.plugin.PluginFinder;
import org.scijava.plugin.PluginIndex;
import org.scijava.plugin.PluginService;

/** The commands of the registry as modules of SciJava; the work itself is not done. */
@Timeout(30)
class SchemaCommandInfoTest {
  private static final String ID = "bioimg:run_model";

  private final Recorder backend = new Recorder();
  private Context context;

  /** Takes what it is given, and gives the image back. */
  private static final class Recorder implements Backend {
    private final List<String> runs = new ArrayList<>();
    private BackendException failure;
    private boolean wasCancelled;
    private Runnable during = () -> {};
    private Callable<String> list = SchemaCommandInfoTest::golden;

    @Override
    public String commands() throws BackendException {
      try {
        return list.call();
      } catch (BackendException gone) {
        throw gone;
      } catch (Exception other) {
        throw new IllegalStateException(other);
      }
    }

    @Override
    public Outcome run(
        String id, String parametersJson, Map<String, ImagePlus> images, Monitor monitor)
        throws BackendException {
      runs.add(id + " " + parametersJson + " " + images.keySet());
      during.run();
      wasCancelled = monitor.cancelled();
      if (failure != null) {
        throw failure;
      }
      return new Outcome(
          "{\"figures\": {\"count\": 2}}", Collections.singletonMap("output", images.get("image")));
    }

    @Override
    public String name() {
      return "recorder";
    }
  }

  private static String golden() {
    try {
      return new String(
          Files.readAllBytes(Paths.get("../tests/contract/commands.json")), StandardCharsets.UTF_8);
    } catch (IOException missing) {
      throw new IllegalStateException(missing);
    }
  }

  @BeforeEach
  void start() {
    Backends.register(backend);
    KnownCommands.tell(golden());
    context = new Context(BioImgCommands.class, ModuleService.class, CommandService.class);
  }

  @AfterEach
  void end() {
    context.dispose();
    KnownCommands.tell("");
    Backends.unregister();
  }

  private ModuleInfo info() {
    return context.service(ModuleService.class).getModuleById(ID);
  }

  private static ImagePlus image() {
    return IJ.createImage("cells", "8-bit black", 4, 3, 1);
  }

  @Test
  void everyCommandIsThereOnceUnderItsTitle() {
    List<String> titles = new ArrayList<>();
    for (ModuleInfo module : context.service(ModuleService.class).getModules()) {
      if (module.getIdentifier().startsWith("bioimg:")) {
        titles.add(module.getTitle());
        assertEquals(module.getTitle(), module.getMenuPath().getLeaf().getName());
        assertTrue(module.isVisible() && module.canRunHeadless() && module.isValid());
      }
    }
    List<String> all = new ArrayList<>();
    for (JsonElement each : Json.array(Json.object(golden()), "commands")) {
      all.add(Json.string(each.getAsJsonObject(), "title", ""));
    }
    assertTrue(all.size() >= 7);
    Collections.sort(all);
    Collections.sort(titles);
    assertEquals(all, titles);
  }

  @Test
  void theListFollowsWhatIsTold() {
    ModuleInfo before = info();
    String one =
        "{'commands': [{'id': 'odd', 'title': 'BioImg Odd', 'menu': 'Plugins>BioImg',"
            + " 'help': '', 'schema': {'properties': {}}}]}";
    KnownCommands.tell(one.replace('\'', '"'));
    assertNull(info());
    assertEquals(
        "Plugins > BioImg > BioImg Odd",
        context
            .service(ModuleService.class)
            .getModuleById("bioimg:odd")
            .getMenuPath()
            .getMenuString());
    assertEquals(
        "bioimg:odd",
        context.service(CommandService.class).getCommand("bioimg:odd").getIdentifier());
    KnownCommands.tell(golden());
    assertFalse(before == info() || info() == null);
    ModuleInfo now = info();
    KnownCommands.tell(golden() + " ");
    assertSame(now, info(), "what has not changed stays");
  }

  @Test
  void aSciJavaThatWasThereBeforeJoins() throws Exception {
    context.dispose();
    PluginFinder others = // as where our jar came later
        found -> {
          Map<String, Throwable> errors = new DefaultPluginFinder().findPlugins(found);
          found.removeIf(each -> each.getClassName().startsWith("io.github.bioimgfiji."));
          return errors;
        };
    context =
        new Context(
            Arrays.asList(ModuleService.class, CommandService.class), new PluginIndex(others));
    assertNull(info());
    BioImgCommands.join(context);
    BioImgCommands.join(context);
    everyCommandIsThereOnceUnderItsTitle();
    assertEquals(
        1,
        context.service(PluginService.class).getPluginsOfType(PreprocessorPlugin.class).stream()
            .filter(each -> each.getClassName().equals(Preparation.class.getName()))
            .count());
    commandServiceRunsItByItsIdentifier();
  }

  @Test
  void pluginsThatAreReadAnewForgetNoCommand() {
    ModuleInfo before = info();
    context.service(PluginService.class).reloadPlugins();
    assertFalse(info() == null || info() == before);
    everyCommandIsThereOnceUnderItsTitle();
  }

  /** Two threads tell at once, and who hears of it waits for the thread of the windows. */
  @Test
  void theLastOfManyThatTellAtOnceCounts() throws Exception {
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      String[] lists = {golden() + "\n", golden().replace("\"run_model\"", "\"run_it" + i + "\"")};
      Thread thread =
          new Thread(
              () -> {
                for (int turn = 0; turn < 50; turn++) {
                  KnownCommands.tell(lists[turn % 2]);
                }
              });
      threads.add(thread);
      thread.start();
    }
    for (int turn = 0; turn < 50; turn++) {
      String list = turn % 2 == 0 ? golden() : golden() + " ";
      EventQueue.invokeAndWait(() -> KnownCommands.tell(list));
    }
    for (Thread thread : threads) {
      thread.join();
    }
    KnownCommands.tell(golden() + "  ");
    everyCommandIsThereOnceUnderItsTitle();
  }

  @Test
  void windowsDoNotWaitForTheListOfAnotherThread() throws Exception {
    SchemaCommandInfo ours = (SchemaCommandInfo) info();
    CountDownLatch asked = new CountDownLatch(1);
    CountDownLatch drawn = new CountDownLatch(1);
    backend.list =
        () -> {
          asked.countDown();
          drawn.await(); // as a server that starts
          return golden();
        };
    KnownCommands.tell(""); // which is not the list that the inputs were read from
    AtomicReference<String> help = new AtomicReference<>();
    Thread asks = new Thread(() -> help.set(ours.getDescription()));
    asks.start();
    asked.await();
    EventQueue.invokeAndWait(() -> assertNull(ours.getInput("tile")));
    drawn.countDown();
    asks.join();
    assertFalse(help.get().isEmpty());
    assertEquals(Long.class, ours.getInput("tile").getType());
  }

  @Test
  void aListThatCannotBeHadFailsNoRun() throws Exception {
    backend.list =
        () -> {
          if (!backend.runs.isEmpty()) {
            throw new BackendException("gone", "No list.", "Wait.");
          }
          return golden();
        };
    Module module =
        context.service(CommandService.class).run("bioimg:models", true, "action", "list").get();
    assertFalse(((CommandModule) module).isCanceled());
    assertEquals(1, backend.runs.size());
    assertEquals(Collections.singletonMap("count", 2.0), module.getOutput("figures"));
  }

  @Test
  void parametersHaveTypesDefaultsRangesAndChoices() {
    ModuleItem<?> tile = info().getInput("tile");
    assertEquals(Long.class, tile.getType());
    assertEquals(0L, tile.getDefaultValue());
    assertEquals(0L, tile.getMinimumValue());
    assertEquals(65536L, tile.getMaximumValue());
    assertEquals("Tile size (pixels)", tile.getLabel());
    assertEquals(
        Arrays.asList("place", "crop", "ignore"), info().getInput("selection").getChoices());
    assertEquals(0.5, info().getInput("threshold").getDefaultValue());
    assertEquals(false, info().getInput("labels").getDefaultValue());
    assertEquals(ImagePlus.class, info().getInput("image").getType());
    assertTrue(info().getInput("model").isRequired());
    assertFalse(info().getInput("image").isRequired());
    info().inputs().forEach(item -> assertFalse(item.isPersisted(), item.getName()));
    ModuleInfo train =
        context.service(ModuleService.class).getModuleById("bioimg:train_segmentation");
    assertEquals(ImagePlus[].class, train.getInput("images").getType());
    assertEquals(File.class, train.getInput("rois").getType());
    assertEquals("open", train.getInput("rois").getWidgetStyle());
    assertNull(train.getInput("learning_rate").getMinimumValue(), "0 itself is not allowed");
    assertTrue(train.getInput("learning_rate").getDescription().endsWith("(above 0, at most 1)"));
  }

  @Test
  void commandServiceRunsItByItsIdentifier() throws Exception {
    ImagePlus image = image();
    CommandModule module =
        context
            .service(CommandService.class)
            .run(ID, true, "image", image, "model", "fox.zip", "tile", 64, "labels", true)
            .get();
    assertEquals(1, backend.runs.size());
    assertTrue(backend.runs.get(0).startsWith("run_model {\"model\":\"fox.zip\""));
    assertTrue(backend.runs.get(0).contains("\"tile\":64,"));
    assertTrue(backend.runs.get(0).contains("\"labels\":true"));
    assertTrue(backend.runs.get(0).contains("\"threshold\":0.5"), "defaults are sent, too");
    assertTrue(backend.runs.get(0).endsWith("[image]"));
    assertSame(image, module.getOutput("output"));
    assertEquals(Collections.singletonMap("count", 2.0), module.getOutput("figures"));
    assertFalse(module.isCanceled());
    assertFalse(image.isLocked());
  }

  @Test
  void errorsAreOurs() {
    backend.failure = new BackendException("model", "No fox.", "Find one.");
    for (Object[] inputs :
        new Object[][] {
          {"image", image(), "model", "fox.zip"}, {"image", image()}, {"image", image(), "mode", 1}
        }) {
      for (boolean process : new boolean[] {true, false}) {
        Throwable error =
            assertThrows(
                ExecutionException.class,
                () -> context.service(ModuleService.class).run(info(), process, inputs).get());
        while (!(error instanceof BackendException)) {
          error = error.getCause();
        }
        String code = ((BackendException) error).code();
        assertEquals(
            inputs.length == 2 ? "parameter" : inputs[2].equals("mode") ? "unknown_key" : "model",
            code);
      }
    }
  }

  @Test
  void cancellingGoesBothWays() throws Exception {
    backend.failure = BackendException.cancelled();
    ModuleService service = context.service(ModuleService.class);
    Module module = service.run(info(), true, "image", image(), "model", "fox.zip").get();
    assertTrue(((CommandModule) module).isCanceled());
    assertEquals("The command was cancelled.", ((CommandModule) module).getCancelReason());
    assertNull(module.getOutput("output"));
    assertFalse(backend.wasCancelled, "nobody had cancelled it before it ran");
    CommandModule other = (CommandModule) service.createModule(info());
    backend.during = () -> other.cancel("enough");
    service.run(other, true, "image", image(), "model", "fox.zip").get();
    assertTrue(backend.wasCancelled, "the backend is told");
    assertEquals("enough", other.getCancelReason());
    CommandModule never = (CommandModule) service.createModule(info());
    never.cancel("at once");
    service.run(never, true, "image", image(), "model", "fox.zip").get();
    assertEquals(2, backend.runs.size(), "what was cancelled before it began does not run");
    assertEquals("at once", never.getCancelReason());
  }

  @Test
  void aStrictRunTellsWhyNothingWasDone() {
    Module module = context.service(ModuleService.class).createModule(info());
    StrictRun run = new StrictRun(context, module);
    IllegalStateException missing = assertThrows(IllegalStateException.class, run::run);
    assertTrue(missing.getMessage().contains("model is missing"));
    module.setInput("image", image());
    module.setInput("model", "fox.zip");
    StrictRun second = new StrictRun(context, module);
    second.run();
    assertNull(second.stopped());
    assertNull(second.logged());
    assertEquals(1, backend.runs.size());
  }
}
