package io.github.bioimgfiji.setup;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Collections;
import java.util.stream.Stream;
import org.apposed.appose.util.Environments;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The real Appose says where its uv would be; the real uv lies there. */
@Timeout(60)
class ApposeUvTest {
  @TempDir Path folder;
  private final Listener monitor = new Listener();
  private Path program;

  @BeforeEach
  void prepare() throws IOException {
    assumeFalse(Places.isWindows(), "the programs of this test are for a shell");
    System.setProperty(ApposeUv.PROPERTY, folder.toString());
    program = folder.resolve(Paths.get(".uv", "bin", "uv"));
    Files.createDirectories(program.getParent());
  }

  @AfterEach
  void forget() {
    System.clearProperty(ApposeUv.PROPERTY);
  }

  @Test
  void itIsWhereApposePutsIt() throws Exception {
    // Appose's own class with the path is not public.
    Class<?> tool = Class.forName("org.apposed.appose.builder.Uv");
    java.lang.reflect.Constructor<?> maker = tool.getConstructor(String.class);
    maker.setAccessible(true);
    java.lang.reflect.Field command = tool.getSuperclass().getDeclaredField("command");
    command.setAccessible(true);
    Object uv = maker.newInstance(Environments.apposeEnvsDir());
    assertEquals(program.toString(), command.get(uv));
  }

  @Test
  void withoutApposeTheSameFolderIsLookedInto() {
    ClassLoader without = new ClassLoader(null) {};
    assertEquals(Paths.get(Environments.apposeEnvsDir()), ApposeUv.environments(without));
    System.clearProperty(ApposeUv.PROPERTY);
    assertEquals(Paths.get(Environments.apposeEnvsDir()), ApposeUv.environments(without));
  }

  @Test
  void apposeIsAskedWhereItIsThere() {
    String[] asked = {""};
    ClassLoader with =
        new ClassLoader(getClass().getClassLoader()) {
          @Override
          public Class<?> loadClass(String name) throws ClassNotFoundException {
            asked[0] = name;
            return super.loadClass(name);
          }
        };
    assertEquals(folder, ApposeUv.environments(with));
    assertEquals("org.apposed.appose.util.Environments", asked[0]);
  }

  @Test
  void itsProgramIsTakenWhenItStarts() throws Exception {
    assertNull(ApposeUv.find(monitor));
    script("echo 'not a program that makes environments'");
    assertNull(ApposeUv.find(monitor));
    script("exit 1");
    assertNull(ApposeUv.find(monitor));
    Files.delete(program);
    Path real = Paths.get("..", ".tools", "bin", "uv").toAbsolutePath().normalize();
    assumeTrue(Files.isExecutable(real), "uv is not here (scripts/setup fetches it)");
    Files.createSymbolicLink(program, real.toRealPath());
    assertEquals(program, ApposeUv.find(monitor));
  }

  @Test
  void theBuilderUsesItWhereTheComputerHasNoOther() throws Exception {
    boolean other =
        Stream.of(System.getenv("PATH").split(java.io.File.pathSeparator))
            .anyMatch(each -> Files.isExecutable(Paths.get(each, "uv")));
    assumeFalse(other, "this computer has uv on its path");
    script("echo 'uv 0.9.5'");
    assertEquals(program, new Uv(folder.resolve("own"), monitor).find(null));
    assertEquals(Collections.singletonList("Using uv of Appose: " + program), monitor.messages);
  }

  private void script(String line) throws IOException {
    Files.write(program, ("#!/bin/sh\n" + line + "\n").getBytes(StandardCharsets.UTF_8));
    program.toFile().setExecutable(true);
  }
}
