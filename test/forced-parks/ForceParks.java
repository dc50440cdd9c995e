import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassTransform;
import java.lang.classfile.CodeElement;
import java.lang.classfile.CodeTransform;
import java.lang.classfile.Opcode;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.classfile.instruction.MonitorInstruction;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;

/**
 * java ForceParks.java FROM TO: copies classes, and has a virtual thread park before each call of theirs that may block: of what may
 * take a lock or wait in the JDK. Takes JDK 24 or later.
 *
 * <p>What cannot is left alone: plain objects, collections of the calling thread's own, atomics, times, method handles. So is what is
 * a user's: a body may give way, and tests of their own show what happens where a callback does.
 */
class ForceParks {
  private static final Pattern MAY_BLOCK =
      Pattern.compile(
          "java/util/concurrent/(?!atomic/|Callable).*"
              + "|java/lang/(Thread|Thread\\$.*|ThreadLocal|System\\$Logger)|java/io/.*");

  private static final ClassDesc HOOK = ClassDesc.of("greenlet.testing.ForcedParks");
  private static ClassFile classes;
  private static int places;

  public static void main(String[] args) throws IOException {
    Path from = Path.of(args[0]);
    Path to = Path.of(args[1]);
    var loader = new URLClassLoader(new URL[] {from.toUri().toURL()});
    var known = ClassHierarchyResolver.ofResourceParsing(loader);
    classes = ClassFile.of(ClassFile.ClassHierarchyResolverOption.of(known));
    try (var all = Files.walk(from)) {
      for (Path file : all.filter(Files::isRegularFile).toList()) {
        Path copy = to.resolve(from.relativize(file));
        Files.createDirectories(copy.getParent());
        byte[] bytes = Files.readAllBytes(file);
        Files.write(copy, file.toString().endsWith(".class") ? forced(bytes) : bytes);
      }
    }
    System.out.println(places + " places where a park is forced");
  }

  private static byte[] forced(byte[] bytes) {
    CodeTransform force =
        (builder, element) -> {
          if (mayBlock(element)) {
            places++;
            builder.invokestatic(HOOK, "here", MethodTypeDesc.of(ConstantDescs.CD_void));
          }
          builder.with(element);
        };
    return classes.transformClass(
        classes.parse(bytes), ClassTransform.transformingMethodBodies(force));
  }

  private static boolean mayBlock(CodeElement element) {
    return switch (element) {
      case InvokeInstruction call -> MAY_BLOCK.matcher(call.owner().asInternalName()).matches();
      case MonitorInstruction monitor ->
          monitor.opcode() == Opcode.MONITORENTER;
      default -> false;
    };
  }
}
