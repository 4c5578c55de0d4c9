if Code.ensure_loaded?(Phoenix.LiveDashboard.PageBuilder) do
  defmodule Bounded.DashboardPage do
    @moduledoc since: "0.1.0"
    @moduledoc """
    A page for Phoenix LiveDashboard with the tables of `mix bounded.top`: memory by kind against the limit, pressure, quotas, pools,
    and the processes and ETS tables that grow most.

    It exists where the project has LiveDashboard. In the router:

        live_dashboard "/dashboard", additional_pages: [bounded: Bounded.DashboardPage]

    It shows the node that is chosen in LiveDashboard, which needs nothing of this library. It takes at most one hundredth of a core
    there: the figures are at least two seconds old where the page is refreshed more often.

    ![The page in a browser](images/dashboard.png)
    """
    use Phoenix.LiveDashboard.PageBuilder

    alias Bounded.Facts.Live
    alias Bounded.Format
    alias Bounded.Top.Tables

    # The shortest interval of looks.
    @interval_ms 2_000

    @impl true
    def menu_link(_session, _capabilities), do: {:ok, "Bounded"}

    @impl true
    def mount(_params, _session, socket) do
      live = Live.new(socket.assigns.page.node, @interval_ms)
      {:ok, look(socket, live)}
    end

    @impl true
    def handle_refresh(socket) do
      %{live: live, looked_at: looked_at} = socket.assigns

      if System.monotonic_time(:millisecond) - looked_at >= Live.pause_ms(live),
        do: {:noreply, look(socket, live)},
        else: {:noreply, socket}
    end

    defp look(socket, live) do
      {sample, live} = Live.look(live)

      assign(socket,
        live: live,
        looked_at: System.monotonic_time(:millisecond),
        sample: sample
      )
    end

    # Of the address, so that a link can be passed on.
    defp sort(page) do
      Enum.find(Tables.sorts(), hd(Tables.sorts()), &(Atom.to_string(&1) == page.params["sort"]))
    end

    @impl true
    def render(assigns) do
      kinds = Tables.kinds(assigns.sample)
      sum = Enum.sum(for {_, bytes} <- kinds, do: bytes)
      sort = sort(assigns.page)

      assigns =
        assign(assigns,
          kinds: kinds,
          limit: assigns.sample.pressure.limit || sum,
          sort: sort,
          tables: Tables.tables(assigns.sample, sort)
        )

      ~H"""
      <div id="bounded">
        <.card_title title="Memory" />
        <div class="card mb-4"><div class="card-body">
          <p><%= Tables.limit(@sample) %></p>
          <p>Pressure: <%= Tables.pressure(@sample) %></p>
          <p :if={Tables.watchdog(@sample)}>Watchdog: <%= Tables.watchdog(@sample) %></p>
          <table class="table table-sm mb-0">
            <tbody>
              <tr :for={{name, bytes} <- @kinds}>
                <td><%= name %></td>
                <td class="text-right"><%= Format.bytes(bytes) %></td>
                <td class="text-right"><%= Tables.percent(bytes, @limit) %> %</td>
                <td class="w-50"><progress class="w-100" value={bytes} max={@limit}></progress></td>
              </tr>
            </tbody>
          </table>
        </div></div>
        <p class="mt-4">
          Sort by
          <.link :for={sort <- Tables.sorts()} class="ml-2" patch={live_dashboard_path(@socket, @page, sort: sort)}>
            <strong :if={sort == @sort}><%= sort %></strong><span :if={sort != @sort}><%= sort %></span>
          </.link>
        </p>
        <div :for={table <- @tables}>
          <.card_title title={table.title} hint={table.note} />
          <div class="card mb-4"><div class="card-body table-responsive">
          <table class="table table-sm mb-0" id={"bounded-#{table.id}"}>
            <thead>
              <tr>
                <th :for={column <- table.columns}><%= column %></th>
              </tr>
            </thead>
            <tbody>
              <tr :for={row <- table.rows}>
                <td :for={cell <- row} class="text-nowrap"><%= cell %></td>
              </tr>
            </tbody>
          </table>
          </div></div>
        </div>
      </div>
      """
    end
  end
end
