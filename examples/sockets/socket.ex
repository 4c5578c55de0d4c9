defmodule Examples.Sockets.Echo do
  @moduledoc """
  Long-lived sockets: `Quota.put_limit/2` as the process begins, in `init/1` of a WebSock handler, `join/3` of a channel, `mount/3` of a
  LiveView. Such a process is the socket's own and serves nobody else, so a limit for its life is right there, and wrong in a plug, whose
  process goes on with the next request.

  | process | where | what the client sees on a breach | how it comes back |
  | --- | --- | --- | --- |
  | WebSock handler | `init/1` | the connection closes without a close frame (code 1006 in browsers) | the page opens it again; wait longer each time |
  | channel | `join/3` | `phx_error` for that topic; the socket and other topics stay | phoenix.js joins again: after 1, 2, 5, 10 s |
  | LiveView | `mount/3`, when `connected?(socket)` | as a channel; the page shows its loading state | phoenix.js joins again, and `mount/3` starts from the beginning |

  The state is lost: keep in the socket what can be read again. A breach is logged with its label, and an event.

  A handler that would rather answer than die computes in `Quota.try_run/3`, as `handle_in/2` does for `report`.

  ## `max_heap_size` of the servers

  Bandit takes `max_heap_size:` as an option of a WebSocket, Cowboy has none (`Process.flag/2` in `init/1` does the same). It counts the heap
  only, so 1 GB of binaries passes before OTP 27, is checked only when the process collects, is in words, and says nothing about why.
  `put_limit/2` replaces it: Bandit sets its own before it calls `init/1`.
  """

  @limit Quota.mib(8)
  @report Quota.mib(4)

  # With the library: `@behaviour WebSock`.

  def init(_options) do
    :ok = Quota.put_limit(@limit, label: "socket")
    {:ok, []}
  end

  def handle_in({"report " <> size, opcode: :text}, state) do
    case Quota.try_run(@report, fn -> report(String.to_integer(size)) end, label: "report") do
      {:ok, report} -> {:push, {:text, report}, state}
      {:error, _error} -> {:push, {:text, "too large"}, state}
    end
  end

  def handle_in({"keep " <> size, opcode: :text}, state) do
    state = Enum.to_list(1..String.to_integer(size)) ++ state
    {:push, {:text, "#{length(state)} kept"}, state}
  end

  def handle_info(_message, state), do: {:ok, state}
  def terminate(_reason, _state), do: :ok

  defp report(size), do: "#{1..size |> Enum.to_list() |> length()} rows"
end

defmodule Examples.Sockets.Channel do
  @moduledoc false
  # With the library: `use Phoenix.Channel`.

  @limit Quota.mib(8)

  def join("rows:" <> _, _params, socket) do
    :ok = Quota.put_limit(@limit, label: "rows")
    {:ok, socket}
  end

  def handle_in("keep", %{"count" => count}, socket) do
    rows = Enum.to_list(1..count) ++ Map.get(socket, :rows, [])
    {:reply, {:ok, length(rows)}, Map.put(socket, :rows, rows)}
  end
end

defmodule Examples.Sockets.Dashboard do
  @moduledoc false
  # With the library: `use Phoenix.LiveView`, which imports what is private here.

  @limit Quota.mib(8)

  # The first time in the request's process, which goes on with other requests: no limit there. Then in the socket's own.
  def mount(_params, _session, socket) do
    if connected?(socket), do: Quota.put_limit(@limit, label: "dashboard")
    {:ok, assign(socket, rows: [])}
  end

  def handle_event("load", %{"count" => count}, socket) do
    rows = Enum.to_list(1..count) ++ socket.assigns.rows
    {:noreply, assign(socket, rows: rows)}
  end

  defp connected?(socket), do: socket.transport_pid != nil
  defp assign(socket, values), do: Map.update!(socket, :assigns, &Map.merge(&1, Map.new(values)))
end
