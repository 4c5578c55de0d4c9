defmodule Bench.Escapes.Rows.Outside do
  # Memory that other processes and ports hold for the work.

  import Bench.Escapes.{Data, Row}
  require Logger

  @listen [:binary, active: false, recbuf: 1_000]
  @connect [:binary, send_timeout: 500, high_watermark: 1_073_741_824]

  @sent "as much as is sent: it belongs to the receiver, which needs a limit of its own"

  def rows, do: processes() ++ ports()

  defp processes do
    [
      row(
        "1000 binaries of 1 MB sent to another process",
        16.0,
        [why: @sent, counted: false, ends: :returns, prepare: &holder/0],
        fn holder -> flood(holder, 1_000, &megabyte/0) end
      ),
      row(
        "200 lists of 8 MB sent to another process",
        26.0,
        [why: @sent, counted: false, ends: :returns, prepare: &holder/0],
        fn holder ->
          list = Enum.to_list(1..500_000)
          flood(holder, 200, fn -> list end)
        end
      ),
      row(
        "500,000 timers",
        1.5,
        [why: "140 bytes each, until they fire", counted: false, ends: :returns],
        fn ->
          for _ <- 1..500_000, do: Process.send_after(self(), :timeout, 100_000)
          :ok
        end
      ),
      row(
        "5000 timers with lists of 320 KB",
        25.0,
        [
          why: "as much as their messages take; send a key instead",
          counted: false,
          ends: :returns,
          prepare: &holder/0
        ],
        fn holder ->
          list = Enum.to_list(1..20_000)
          length(for _ <- 1..5_000, do: Process.send_after(holder, list, 5_000))
        end
      ),
      row(
        "500 lines of 1 MB to Logger",
        3.0,
        [why: "Logger drops what it cannot print in time", counted: false, ends: :either],
        fn ->
          Logger.configure(level: :error)
          for _ <- 1..500, do: Logger.error(megabyte())
          :ok
        end
      )
    ]
  end

  defp ports do
    [
      row("a port that reads 1 GB", 1.5, [prepare: fn -> zeros(1_000_000_000) end], fn path ->
        received(
          Port.open({:spawn_executable, "/bin/cat"}, [:binary, :exit_status, args: [path]]),
          []
        )
      end),
      row(
        "a port in line mode that reads a line of 1 GB",
        45.0,
        [
          why: "the port driver collects the line before it sends it; read without :line",
          counted: false,
          ends: :either,
          prepare: fn -> zeros(1_000_000_000) end
        ],
        fn path ->
          options = [:binary, :exit_status, line: 2_000_000_000, args: [path]]
          received(Port.open({:spawn_executable, "/bin/cat"}, options), [])
        end
      ),
      row(
        "a socket that nobody reads: 500 MB sent",
        8.0,
        [
          why: "waits in the driver up to its high_watermark; leave that at its default of 8 KB",
          counted: false,
          ends: :returns
        ],
        fn ->
          {:ok, listener} = :gen_tcp.listen(0, @listen)
          {:ok, port} = :inet.port(listener)
          {:ok, socket} = :gen_tcp.connect(~c"localhost", port, @connect)
          sent = for _ <- 1..500, do: :gen_tcp.send(socket, megabyte())
          Process.sleep(200)
          Enum.frequencies(sent)
        end
      )
    ]
  end

  defp received(port, parts) do
    receive do
      {^port, {:data, {_, data}}} -> received(port, [data | parts])
      {^port, {:data, data}} -> received(port, [data | parts])
      {^port, {:exit_status, _}} -> length(parts)
    end
  end
end
