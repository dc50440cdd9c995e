package greenlet.bench;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler.Sharable;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelOption;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import java.net.InetSocketAddress;

/** Sends back what it gets, by Netty, with one event loop for the server and its connections, and Netty's defaults. */
@Sharable
final class NettyEcho extends ChannelInboundHandlerAdapter {
  /** Begins to serve; the port. */
  static int start(InetSocketAddress address, int backlog) throws InterruptedException {
    Channel server =
        new ServerBootstrap()
            .group(new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory()))
            .channel(NioServerSocketChannel.class)
            .option(ChannelOption.SO_BACKLOG, backlog)
            .childOption(ChannelOption.TCP_NODELAY, true)
            .childHandler(new NettyEcho())
            .bind(address)
            .sync()
            .channel();
    return ((InetSocketAddress) server.localAddress()).getPort();
  }

  @Override
  public void channelRead(ChannelHandlerContext context, Object message) {
    context.writeAndFlush(message);
  }
}
