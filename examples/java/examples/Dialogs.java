package examples;

import greenlet.hub.Hub;
import greenlet.hub.Task;
import java.awt.BorderLayout;
import java.awt.GraphicsEnvironment;
import java.awt.event.ActionListener;
import java.awt.event.WindowAdapter;
import java.awt.event.WindowEvent;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import javax.swing.JButton;
import javax.swing.JFrame;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.JTextField;
import javax.swing.SwingUtilities;

/**
 * A dialogue in Swing, as a loop on the event thread, which is never blocked: a task of a hub whose turns that thread takes.
 * Needs the engine continuation. Without a display nobody sees it, and it answers itself and prints what the comments say.
 */
public final class Dialogs {
  private final JLabel question = new JLabel(" ");
  private final JTextField answer = new JTextField(30);
  private final JButton ok = new JButton("OK");
  private final JButton cancel = new JButton("Cancel");

  /** Has the current task wait for one of the buttons, and says which it was. */
  private static JButton pressed(JButton... buttons) {
    ActionListener[] listener = new ActionListener[1];
    try {
      return Hub.await(waiter -> {
        listener[0] = event -> waiter.wake((JButton) event.getSource());
        for (JButton b : buttons) b.addActionListener(listener[0]);
      });
    } finally { // also if a limit or a kill has ended the wait
      for (JButton b : buttons) b.removeActionListener(listener[0]);
    }
  }

  private boolean confirm(String text) {
    answer.setText("");
    question.setText(text);
    return pressed(ok, cancel) == ok;
  }

  /** The answer; null for cancel. */
  private String ask(String text) {
    return confirm(text) ? answer.getText() : null;
  }

  private List<String> guests() {
    List<String> guests = new ArrayList<>();
    for (String name; (name = ask("Guest " + (guests.size() + 1) + "?")) != null; ) {
      if (!name.isBlank() && confirm("Invite " + name + "?")) guests.add(name);
    }
    return guests;
  }

  private List<String> inWindow() {
    JPanel panel = new JPanel(new BorderLayout());
    panel.add(question, BorderLayout.NORTH);
    panel.add(answer, BorderLayout.CENTER);
    panel.add(cancel, BorderLayout.WEST);
    panel.add(ok, BorderLayout.EAST);
    JFrame frame = new JFrame("Guests");
    frame.addWindowListener(new WindowAdapter() {
      @Override
      public void windowClosing(WindowEvent event) {
        cancel.doClick();
      }
    });
    frame.setContentPane(panel);
    frame.pack();
    frame.setVisible(true);
    try {
      return guests();
    } finally {
      frame.dispose();
    }
  }

  /** In place of a user: prints what is asked, and answers. */
  private void use() {
    reply("Ada", ok); // prints Guest 1?
    reply("", ok); // prints Invite Ada?
    reply("Bob", ok); // prints Guest 2?
    reply("", cancel); // prints Invite Bob?
    reply("", ok); // prints Guest 2?
    reply("", cancel); // prints Guest 2?
  }

  private void reply(String text, JButton button) {
    System.out.println(question.getText());
    answer.setText(text);
    button.doClick(0);
    Hub.sleep(Duration.ZERO); // the dialogue has its turn
  }

  private static List<String> run() {
    if (!SwingUtilities.isEventDispatchThread()) {
      throw new IllegalStateException("Swing is for its event thread, and this task is in " + Thread.currentThread()
          + ": it needs the engine continuation; start the JVM with --add-exports java.base/jdk.internal.vm=ALL-UNNAMED");
    }
    Dialogs dialogs = new Dialogs();
    if (!GraphicsEnvironment.isHeadless()) return dialogs.inWindow();
    Hub.current().execute(dialogs::use);
    return dialogs.guests();
  }

  public static void main(String[] args) throws Exception {
    Hub hub = Hub.on(SwingUtilities::invokeLater);
    Task<List<String>> guests = hub.spawn(Dialogs::run);
    try {
      System.out.println("Invited: " + guests.toCompletableFuture().get()); // prints Invited: [Ada]
    } catch (ExecutionException e) {
      System.err.println("dialogs: " + e.getCause().getMessage());
      System.exit(2);
    }
  }
}
