package resolve

// Projects are the configured projects. They never change; a reload makes others.
type Projects struct {
	// First is the default one.
	First *Project
	// List has all of them, in the configuration's order.
	List []*Project
	// ByName has all of them by their name.
	ByName map[string]*Project
}

// NewProjects returns the projects of a list, which is not empty.
func NewProjects(list []*Project) Projects {
	p := Projects{First: list[0], List: list, ByName: map[string]*Project{}}
	for _, project := range list {
		p.ByName[project.name] = project
	}
	return p
}
